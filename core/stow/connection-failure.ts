/** Why a connection did not come about, from the code of Node's error: what is wrong, and what to do. Pure. */
import { StorestowError, type ErrorCode } from '../errors.ts';

type Explanation = readonly [ErrorCode, string];

const UNTRUSTED: Explanation = [
  'TLS_UNTRUSTED',
  'its certificate comes from an authority that is not trusted; set archive.tls.ca to the file of that authority, or to "system" where this machine has it',
];

/** OpenSSL's results of verifying (X509_V_ERR_…), Node's own check of the name, and what tells that no TLS is spoken. */
const BY_CODE: ReadonlyMap<string, Explanation> = new Map([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNTRUSTED],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNTRUSTED],
  ['SELF_SIGNED_CERT_IN_CHAIN', UNTRUSTED],
  ['CERT_UNTRUSTED', UNTRUSTED],
  ['CERT_SIGNATURE_FAILURE', UNTRUSTED],
  ['INVALID_CA', UNTRUSTED],
  ['CERT_HAS_EXPIRED', ['TLS_UNTRUSTED', 'its certificate has expired; have it renewed there']],
  ['CERT_NOT_YET_VALID', ['TLS_UNTRUSTED', "its certificate is not valid yet; check this machine's clock"]],
  ['CERT_REVOKED', ['TLS_UNTRUSTED', 'its certificate was revoked; have it renewed there']],
  ['INVALID_PURPOSE', ['TLS_UNTRUSTED', 'its certificate is not one for a server; have it issued again for serverAuth']],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    ['TLS_UNTRUSTED', 'its certificate is for another host name; use the name that it has, or have it issued for this one'],
  ],
  ['ERR_SSL_WRONG_VERSION_NUMBER', ['ARCHIVE_UNAVAILABLE', 'what listens there speaks no TLS; check the port, or use http']],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', ['ARCHIVE_UNAVAILABLE', 'what listens there speaks no TLS; check the port, or use http']],
  [
    'ENOTFOUND',
    ['ARCHIVE_UNAVAILABLE', 'its host name is not known; correct it, or ask for it to be entered in the name service'],
  ],
  ['EAI_AGAIN', ['ARCHIVE_UNAVAILABLE', 'the name service does not answer']],
  ['ECONNREFUSED', ['ARCHIVE_UNAVAILABLE', 'nothing listens there; check that it runs, and the port']],
  ['UND_ERR_CONNECT_TIMEOUT', ['ARCHIVE_UNAVAILABLE', 'it does not answer; check that it runs, and the firewalls on the way']],
]);

/** Alerts (RFC 8446 6.2) that a server sends for the client's certificate, or for the lack of one. */
const CLIENT_ALERTS: readonly (readonly [RegExp, string])[] = [
  [/ALERT_CERTIFICATE_REQUIRED$/, 'it wants a client certificate; set archive.tls.cert and archive.tls.key'],
  [
    /ALERT_(HANDSHAKE_FAILURE|NO_CERTIFICATE)$/,
    'it broke off the TLS handshake: it may want a client certificate (archive.tls.cert, archive.tls.key), or has no cipher in common',
  ],
  [/ALERT_CERTIFICATE_EXPIRED$/, 'it refuses the client certificate, which has expired; renew the one of archive.tls.cert'],
  [/ALERT_CERTIFICATE_REVOKED$/, 'it refuses the client certificate, which was revoked; renew the one of archive.tls.cert'],
  [
    /ALERT_UNKNOWN_CA$/,
    "it refuses the client certificate: it does not trust that certificate's authority; give it one that it trusts (archive.tls.cert)",
  ],
  [
    /ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_UNKNOWN|ACCESS_DENIED|DECRYPT_ERROR)$/,
    'it refuses the client certificate; give it one that it trusts (archive.tls.cert)',
  ],
];

const VERSIONS = /^ERR_SSL_(UNSUPPORTED_PROTOCOL|.*ALERT_PROTOCOL_VERSION)$/;

/**
 * Undefined: the error tells nothing that a person could act on, and something may have been read. Of what it explains the server
 * read nothing. Every one is retryable, for the instances are not to blame.
 */
export function explainConnection(cause: unknown, origin: string): StorestowError | undefined {
  const explanation = explanationOf(codeOf(cause));
  if (explanation === undefined) return undefined;
  const [code, advice] = explanation;
  return new StorestowError(code, `no connection to ${origin}: ${advice}`, { object: origin, cause });
}

const OF_CERTIFICATES: ReadonlySet<ErrorCode> = new Set(['TLS_UNTRUSTED', 'TLS_REFUSED']);

/** Whether asking again a second later can help: a certificate is the same by then. */
export function mayPass(failure: StorestowError): boolean {
  return ![failure, failure.cause].some((error) => error instanceof StorestowError && OF_CERTIFICATES.has(error.code));
}

function explanationOf(code: string): Explanation | undefined {
  const known = BY_CODE.get(code);
  if (known !== undefined) return known;
  const alert = CLIENT_ALERTS.find(([pattern]) => code.startsWith('ERR_SSL_') && pattern.test(code));
  if (alert !== undefined) return ['TLS_REFUSED', alert[1]];
  return VERSIONS.test(code)
    ? ['ARCHIVE_UNAVAILABLE', 'it speaks only a version of TLS that is no longer safe; have TLS 1.2 or 1.3 enabled there']
    : undefined;
}

/** Of an error of Node's or undici's; empty where it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
