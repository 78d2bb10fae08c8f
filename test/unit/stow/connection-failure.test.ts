import { describe, expect, it } from 'vitest';
import { explainConnection } from '../../../core/stow/connection-failure.ts';

const ORIGIN = 'https://archive.example';
const failing = (code: string): Error => Object.assign(new Error('whatever Node says'), { code });

describe('explainConnection', () => {
  it.each([
    // code of Node → code, what it tells to do
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'TLS_UNTRUSTED', /archive\.tls\.ca/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'TLS_UNTRUSTED', /archive\.tls\.ca/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'TLS_UNTRUSTED', /archive\.tls\.ca/],
    ['CERT_HAS_EXPIRED', 'TLS_UNTRUSTED', /expired/],
    ['CERT_NOT_YET_VALID', 'TLS_UNTRUSTED', /clock/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS_UNTRUSTED', /host name/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'TLS_REFUSED', /wants a client certificate/],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'TLS_REFUSED', /may want a client certificate/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'TLS_REFUSED', /does not trust/],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'TLS_REFUSED', /expired/],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED', 'TLS_REFUSED', /revoked/],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'TLS_REFUSED', /refuses the client certificate/],
    // OpenSSL 3.2 and later has other words for the same alert.
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'TLS_REFUSED', /refuses the client certificate/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'ARCHIVE_UNAVAILABLE', /no TLS/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'ARCHIVE_UNAVAILABLE', /TLS 1\.2/],
    ['ECONNREFUSED', 'ARCHIVE_UNAVAILABLE', /check that it runs/],
    ['ENOTFOUND', 'ARCHIVE_UNAVAILABLE', /host name/],
    ['UND_ERR_CONNECT_TIMEOUT', 'ARCHIVE_UNAVAILABLE', /firewalls/],
  ])('%s → %s', (nodeCode, code, told) => {
    const cause = failing(nodeCode);
    const error = explainConnection(cause, ORIGIN);
    expect(error).toMatchObject({ code, retryable: true, object: ORIGIN, cause });
    expect(error?.message).toMatch(told);
    expect(error?.message).not.toContain(cause.message);
  });

  it.each(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT', 'X_ALERT_UNKNOWN_CA', ''])(
    'does not explain %j: something may have been read',
    (code) => {
      expect(explainConnection(failing(code), ORIGIN)).toBeUndefined();
    },
  );

  it('does not explain what is no error of Node', () => {
    expect([explainConnection(undefined, ORIGIN), explainConnection(new Error('x'), ORIGIN)]).toEqual([undefined, undefined]);
  });
});
