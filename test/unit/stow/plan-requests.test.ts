import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BODY_OVERHEAD, PART_OVERHEAD, multipartBody } from '../../../core/stow/multipart-body.ts';
import { planRequests } from '../../../core/stow/plan-requests.ts';

const instance = (length: number, studyInstanceUID = '1.2') => ({ studyInstanceUID, length });
const lengths = (requests: readonly (readonly { length: number }[])[]): number[][] =>
  requests.map((request) => request.map(({ length }) => length));
const room = (...parts: number[]): number => parts.reduce((sum, length) => sum + length + PART_OVERHEAD, BODY_OVERHEAD);

describe('planRequests', () => {
  it.each([
    ['nothing', [], 3, 1000, []],
    ['what fits goes together', [1, 2, 3], 3, room(1, 2, 3), [[1, 2, 3]]],
    ['one byte too many opens another', [1, 2, 3], 3, room(1, 2, 3) - 1, [[1, 2], [3]]],
    ['so does one instance too many', [1, 2, 3], 2, 1_000_000, [[1, 2], [3]]],
    ['a larger one goes alone', [1, 5000, 2, 3], 9, room(2, 3), [[1], [5000], [2, 3]]],
    ['one instance a request', [1, 2, 3], 1, 1_000_000, [[1], [2], [3]]],
  ])('%s', (_, given, maxInstances, maxBytes, planned) => {
    const limits = { maxInstances, maxBytes };
    expect(
      lengths(
        planRequests(
          given.map((length) => instance(length)),
          limits,
        ),
      ),
    ).toEqual(planned);
  });

  it('never mixes studies', () => {
    const given = [instance(1, '1.1'), instance(2, '1.2'), instance(3, '1.1'), instance(4, '1.2')];
    expect(lengths(planRequests(given, { maxInstances: 9, maxBytes: 1e6 }))).toEqual([
      [1, 3],
      [2, 4],
    ]);
  });

  it('keeps order, loses nothing, and stays within the limits, the framing included', () => {
    const limits = fc.record({ maxInstances: fc.integer({ min: 1, max: 5 }), maxBytes: fc.integer({ min: 1, max: 2000 }) });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1500 }), { maxLength: 30 }), limits, (given, { maxInstances, maxBytes }) => {
        const requests = planRequests(
          given.map((length) => instance(length)),
          { maxInstances, maxBytes },
        );
        expect(requests.flat().map(({ length }) => length)).toEqual(given);
        for (const request of requests) {
          expect(request.length).toBeGreaterThan(0);
          expect(request.length).toBeLessThanOrEqual(maxInstances);
          const body = multipartBody(request.map(({ length }) => ({ segments: [new Uint8Array(length)], length })));
          if (request.length > 1) expect(body.length).toBeLessThanOrEqual(maxBytes);
        }
      }),
    );
  });
});
