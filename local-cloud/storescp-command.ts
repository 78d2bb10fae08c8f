/**
 * The command line of DCMTK's storescp, and of the storescu to try it with.
 *
 * storescp hands its exec line to a shell after it has put what the peer sent in the place of `#a`, `#c`, `#r`, `#p`, `#f`. Tried with
 * DCMTK 3.6.7:
 * - `#a` (and `#c`): a calling title `$(touch pwned)` ran, within quotes too. Never used here; the uploader reads the title from
 *   (0002,0016), which `--bit-preserving` writes as well.
 * - `#p` with `--sort-on-study-uid`: shell characters, slashes and blanks of the UID came as `_`. So they do in `#f`. That is this
 *   version's kindness; here `#f` is a name that storescp makes itself (`--unique-filenames`), and `#p` is not used.
 * - `#r` is an address with `--disable-host-lookup`; without it, what the peer's name server says.
 *
 * Why one exec for each instance, made cheap, and not one for each study:
 * - `--exec-on-eostudy` is refused together with `--fork`. Without `--fork` one association at a time is served, and a peer that opened
 *   one and fell silent kept all others out for as long as it stayed.
 * - It named the wrong peer: of two associations, the first one's study was announced with the title of the second.
 * - `--exec-on-reception` names the right address for each instance, and runs after the file is closed.
 *
 * `TCP_NODELAY=1` in the environment: without it each instance waited for a delayed acknowledgement. 200 CT slices over loopback took 9.2 s,
 * with it 0.6 s, whatever the sender did.
 *
 * Why an association profile (`receiver/storescp.cfg`) and not `--accept-all --promiscuous`: of the syntaxes that one presentation
 * context proposes, the acceptor picks (PS3.8 9.3.3.2). Of an uncompressed CT slice, sent with DCMTK's `storescu +C`:
 *
 * | proposed in one context           | `--accept-all` took        | the profile takes  |
 * |-----------------------------------|----------------------------|--------------------|
 * | JPEG 2000 lossy, uncompressed     | lossy: `…4.91`             | Explicit VR LE     |
 * | JPEG baseline, uncompressed       | lossy: `…4.50`             | Explicit VR LE     |
 * | JPEG 2000 lossless, uncompressed  | `…4.90`                    | Explicit VR LE     |
 *
 * A modality compresses with what was picked: with loss, an image altered. The price is that of a profile: it is refused together with
 * `--promiscuous`, so a class that it does not list is refused when the association opens, and it lists at most 128.
 */
import { extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StorestowError } from '../core/errors.ts';
import { RECEIVED_FOLDER, RECEIVING_FOLDER, receivingFolder, SOCKET_TIMEOUT, STATE_FOLDER } from '../core/spool-layout.ts';

export interface StorescpOptions {
  /** 1 to 65535. */
  readonly port: number;
  /** storescp's own title; it accepts calls to any. */
  readonly aet: string;
  readonly spool: string;
  /** Program and arguments that upload the spool; run at most once a second. Absent: somebody watches the spool. */
  readonly execCommand?: readonly string[];
  /** Default `storescp`, found on the PATH. */
  readonly binary?: string;
  /** Absent: DICOM over plain TCP. */
  readonly tls?: StorescpTls;
}

/** What storescp has for secured transport (PS3.15 B); paths of PEM files. */
export interface StorescpTls {
  /** Without a pass phrase: one on the command line could be read by every user of the machine. */
  readonly key: string;
  readonly cert: string;
  /** Of the authorities whose peers are let in. */
  readonly ca?: readonly string[] | undefined;
  readonly crl?: readonly string[] | undefined;
  /** Whether a peer must show a certificate. Default `require`. */
  readonly peer?: 'require' | 'verify' | 'ignore' | undefined;
  /** Default: storescp's own, BCP 195 without downgrade. */
  readonly profile?: 'bcp195-nd' | 'bcp195' | 'bcp195-ex' | undefined;
}

/** Beside the sources in the repository, beside `dist/` in the package. */
export const ASSOCIATION_PROFILES = fileURLToPath(
  new URL(extname(import.meta.url) === '.ts' ? '../receiver/storescp.cfg' : '../../receiver/storescp.cfg', import.meta.url),
);
/** The profile of that file. */
const PROFILE = 'Storestow';

/** Of the environment that storescp runs in. */
export const STORESCP_ENVIRONMENT = { TCP_NODELAY: '1' } as const;

/** Bytes; the largest that DCMTK takes. */
const MAX_PDU = 131_072;
/** Seconds for the messages that open and close an association. */
const ACSE_TIMEOUT = 30;

/** Letters, digits, `_ . -` and inner blanks: DCMTK would read `@x` as a file of options, `-x` and `+x` as an option. */
const SAFE_TITLE = /^[A-Za-z0-9_](?:[A-Za-z0-9_. -]{0,14}[A-Za-z0-9_.-])?$/;
/** What storescp replaces in an exec line, wherever it stands. */
const PLACEHOLDER = /#[acfpr]/;

/** Throws `CONFIG_INVALID`. */
export function storescpArguments(options: StorescpOptions): string[] {
  const { port, aet } = options;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid(`the port ${port} is not one of 1 to 65535`);
  if (!SAFE_TITLE.test(aet)) {
    throw invalid(
      'the AE title of the receiver must have 1 to 16 letters, digits, `_`, `.`, `-` or inner blanks, the first a letter, a digit or `_`',
    );
  }
  return [
    ...['--log-level', 'error'],
    '--fork',
    ...['--aetitle', aet],
    ...['--max-pdu', String(MAX_PDU)],
    ...['--socket-timeout', String(SOCKET_TIMEOUT)],
    ...['--acse-timeout', String(ACSE_TIMEOUT)],
    '--disable-host-lookup',
    ...tlsArguments(options.tls),
    ...['--config-file', ASSOCIATION_PROFILES, PROFILE],
    '--bit-preserving',
    ...['--output-directory', receivingFolder(resolve(options.spool))],
    '--unique-filenames',
    ...['--exec-on-reception', execLine(options)],
    String(port),
  ];
}

/** A pass phrase is never asked for: nobody sits at stdin. */
function tlsArguments(tls: StorescpTls | undefined): string[] {
  if (tls === undefined) return [];
  const { key, cert, ca = [], crl = [], peer = 'require', profile } = tls;
  if (peer !== 'ignore' && ca.length === 0)
    throw invalid("TLS asks peers for certificates, but names none of an authority; give its file, or set peer to 'ignore'");
  return [
    ...['--enable-tls', resolve(key), resolve(cert), '--null-passwd'],
    ...ca.flatMap((file) => ['--add-cert-file', resolve(file)]),
    ...crl.flatMap((file) => ['--add-crl-file', resolve(file)]),
    ...(profile === undefined ? [] : [`--profile-${profile}`]),
    `--${peer}-peer-cert`,
  ];
}

/**
 * First the instance is on the disk: storescp has acknowledged it and does not see to that, and a loss of power while the bucket is away
 * would leave holes in it that nothing tells. (A `sync` that takes no names writes everything; without one the kernel does, in its time.)
 * Then it moves, in one step, to the folder of its sender, where a resident uploader finds it. Where none watches, the
 * first exec of a second waits that second out and starts the uploader once for all of them; an exec that finds the second's mark moved
 * its instance before that start. A mark that a power cut leaves behind concerns one past second only. What is started looks for a
 * resident uploader itself, and leaves the work to it: the same line does for both, and costs next to nothing where one is.
 */
function execLine({ spool, execCommand }: StorescpOptions): string {
  const root = resolve(spool);
  const command = execCommand?.map(shellQuote).join(' ');
  if (command === '') throw invalid('the command that storescp executes is empty');
  for (const [what, text] of [
    ['the path of the spool', root],
    ['the command that storescp executes', command],
  ] as const) {
    if (text !== undefined && PLACEHOLDER.test(text))
      throw invalid(`${what} must not contain #a, #c, #f, #p or #r: storescp would replace it`);
  }
  // Unquoted: 3.6.7 puts double quotes around the address itself, other versions do not, and neither value has a character that needs them.
  const from = `${RECEIVING_FOLDER}/#f`;
  const to = `${RECEIVED_FOLDER}/#r`;
  const enter = `cd ${shellQuote(root)} || exit; sync ${from} 2>/dev/null`;
  if (command === undefined) return `${enter}; [ -d ${to} ] || mkdir -p ${to}; exec mv -n ${from} ${to}/`;
  const move = `mv -n ${from} ${to}/ 2>/dev/null || { mkdir -p ${to} && mv -n ${from} ${to}/; }`;
  const wake = [
    `wake=${STATE_FOLDER}/wake.$(date +%s)`,
    'mkdir "$wake" 2>/dev/null || exit 0',
    'sleep 1',
    'rmdir "$wake"',
    `exec ${command}`,
  ];
  return [enter, move, ...wake].join('; ');
}

export interface StorescuOptions {
  readonly host?: string;
  readonly port: number;
  readonly aet: string;
  /** The title to call with. */
  readonly callingAET?: string;
  readonly files: readonly string[];
}

/** The line to try a receiver with: sends files and what lies in folders. */
export function storescuLine({ host = '127.0.0.1', port, aet, callingAET = 'STORESCU', files }: StorescuOptions): string {
  const command = ['storescu', '-aet', callingAET, '-aec', aet, '+sd', '+r', host, String(port), ...files];
  return command.map(shellQuote).join(' ');
}

/** One word of a POSIX shell, whatever is in it. Throws `CONFIG_INVALID` for NUL, which no argument can hold. */
export function shellQuote(word: string): string {
  if (word.includes('\0')) throw invalid('an argument contains NUL; remove it');
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function invalid(message: string): StorestowError {
  return new StorestowError('CONFIG_INVALID', message);
}
