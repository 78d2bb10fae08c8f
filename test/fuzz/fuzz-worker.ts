/**
 * Checks inputs in a process of its own, so that one that ends or hangs takes nobody with it: from `first` on each `step`-th
 * below `end`. Tells the parent each number before it begins, and what became of it.
 */
import { asStorestowError } from '../../core/errors.ts';
import { checkInput, isSequence, type Checked, type Codec } from './check-input.ts';
import { mutatedInput } from './mutate.ts';
import { Random } from './random.ts';
import { openRealCodec } from './real-codec.ts';
import { storedFrames } from './stored-frames.ts';

export interface Share {
  readonly seed: number;
  readonly first: number;
  readonly end: number;
  readonly step: number;
}

export type Report =
  | { readonly kind: 'ready' }
  | { readonly kind: 'begin'; readonly input: number }
  | { readonly kind: 'checked'; readonly input: number; readonly checked: Checked; readonly codec: CodecName }
  | { readonly kind: 'defect'; readonly input: number; readonly what: string };

export type CodecName = 'OpenJPEG' | 'OpenJPH' | 'a stand-in';

/** Of so many inputs one goes through each of the real codecs. */
const REAL = 10;

function codecFor(turn: number): CodecName {
  return turn % REAL === 0 ? 'OpenJPEG' : turn % REAL === REAL / 2 ? 'OpenJPH' : 'a stand-in';
}

export function inputOf(seed: number, input: number): Uint8Array {
  return mutatedInput(new Random(seed, input), isSequence);
}

/** Of an input: the outcome, or what is wrong. */
export async function checkNumbered(seed: number, input: number, codec: Codec): Promise<Checked | { readonly defect: string }> {
  try {
    return await checkInput(inputOf(seed, input), codec);
  } catch (thrown) {
    const { cause, message } = asStorestowError(thrown);
    const error = cause instanceof Error ? cause : thrown instanceof Error ? thrown : new Error(message);
    return { defect: error.name === 'Defect' ? error.message : (error.stack ?? error.message).split('\n').slice(0, 4).join(' ') };
  }
}

async function run({ seed, first, end, step }: Share): Promise<void> {
  const tell = (report: Report): boolean | undefined => process.send?.(report);
  const codecs: Readonly<Record<CodecName, Codec>> = {
    OpenJPEG: await openRealCodec('j2k'),
    OpenJPH: await openRealCodec('htj2k'),
    'a stand-in': storedFrames,
  };
  // The threads start with the first frame: not within an input's time.
  for (const codec of Object.values(codecs)) await checkNumbered(seed, 0, codec);
  tell({ kind: 'ready' });
  for (let input = first; input < end; input += step) {
    tell({ kind: 'begin', input });
    const codec = codecFor(Math.floor(input / step));
    const result = await checkNumbered(seed, input, codecs[codec]);
    tell(
      'defect' in result ? { kind: 'defect', input, what: result.defect } : { kind: 'checked', input, checked: result, codec },
    );
  }
  for (const codec of Object.values(codecs)) await codec.pool.close();
  process.disconnect();
}

if (import.meta.main) process.once('message', (share: Share) => void run(share));
