import { describe, expect, it } from 'vitest';
import { authorizationHeader } from '../../../core/stow/authorization.ts';

describe('authorizationHeader', () => {
  it('none', () => {
    expect(authorizationHeader({ kind: 'none' })).toBeUndefined();
  });

  it('basic, in UTF-8 (RFC 7617)', () => {
    expect(authorizationHeader({ kind: 'basic', username: 'Aladdin', password: 'open sesame' })).toBe(
      'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==',
    );
    expect(authorizationHeader({ kind: 'basic', username: 'test', password: '123£' })).toBe('Basic dGVzdDoxMjPCow==');
  });

  it('bearer', () => {
    expect(authorizationHeader({ kind: 'bearer', token: 'abc.def' })).toBe('Bearer abc.def');
  });

  it.each([
    { kind: 'basic', username: 'a:b', password: 'c' },
    { kind: 'bearer', token: '' },
    { kind: 'bearer', token: 'abc\r\nX: y' },
  ] as const)('refuses %j', (auth) => {
    expect(() => authorizationHeader(auth)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
