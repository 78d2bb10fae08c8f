/** `receiver/storescp.cfg` by itself: within DCMTK's limits, and in an order that never asks for a loss. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ASSOCIATION_PROFILES } from '../../../local-cloud/storescp-command.ts';

const lines = (await readFile(ASSOCIATION_PROFILES, 'utf8')).split('\n');

/** The values of `Key1`, `Key2`, … in the order of the file, with their numbers. */
function entries(key: string): { readonly number: number; readonly value: string }[] {
  return lines.flatMap((line) => {
    const [, number, value] = new RegExp(`^${key}(\\d+) = (.*)$`).exec(line) ?? [];
    return number === undefined || value === undefined ? [] : [{ number: Number(number), value }];
  });
}

const UID = /^[0-2](\.(0|[1-9][0-9]*))+$/;
const JPEG = '1.2.840.10008.1.2.4.';

describe('receiver/storescp.cfg', () => {
  const contexts = entries('PresentationContext');
  const syntaxes = entries('TransferSyntax').map(({ value }) => value);

  it('has no more SOP classes than DCMTK reads, numbered without a gap, each a UID and each once', () => {
    expect(contexts.length).toBeGreaterThan(100);
    expect(contexts.length).toBeLessThanOrEqual(128);
    expect(contexts.map(({ number }) => number)).toEqual(contexts.map((_, index) => index + 1));
    const classes = contexts.map(({ value }) => value.replace(/\\AnySyntax$/, ''));
    expect(classes.filter((uid) => !UID.test(uid) || uid.length > 64)).toEqual([]);
    expect(new Set(classes).size).toBe(classes.length);
  });

  it('has each transfer syntax once, numbered without a gap', () => {
    expect(entries('TransferSyntax').map(({ number }) => number)).toEqual(syntaxes.map((_, index) => index + 1));
    expect(syntaxes.filter((uid) => !UID.test(uid))).toEqual([]);
    expect(new Set(syntaxes).size).toBe(syntaxes.length);
  });

  it('prefers what is not compressed, then what loses nothing, and takes a loss last', () => {
    const uncompressed = ['1.2.840.10008.1.2.1', '1.2.840.10008.1.2', '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99'];
    const lossless = [90, 80, 70, 57].map((process) => `${JPEG}${process}`);
    expect(syntaxes.slice(0, 9)).toEqual([...uncompressed, ...lossless, '1.2.840.10008.1.2.5']);
    const firstLoss = syntaxes.indexOf(`${JPEG}81`);
    const lossy = [50, 51, 91, 93, 100, 102, 107].map((process) => syntaxes.indexOf(`${JPEG}${process}`));
    expect(Math.min(...lossy)).toBeGreaterThan(firstLoss);
    expect(Math.max(...[92, 58, 65, 66].map((process) => syntaxes.indexOf(`${JPEG}${process}`)))).toBeLessThan(firstLoss);
  });

  it('has comments on lines of their own only: DCMTK would read others as part of the value', () => {
    expect(lines.filter((line) => line.includes('#') && !line.startsWith('#'))).toEqual([]);
  });
});
