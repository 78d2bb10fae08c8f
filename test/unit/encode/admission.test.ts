import { describe, expect, it } from 'vitest';
import { Admission } from '../../../core/encode/admission.ts';

/** Who is in, in the order of coming in. */
function watched(limits: { frames: number; bytes: number }) {
  const admission = new Admission(limits);
  const entered: string[] = [];
  const refused: string[] = [];
  const come = (name: string, bytes: number): void => {
    admission.enter(bytes).then(
      () => entered.push(name),
      () => refused.push(name),
    );
  };
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { admission, entered, refused, come, settle };
}

describe('Admission', () => {
  it('bounds bytes, first come first served', async () => {
    const { admission, entered, come, settle } = watched({ frames: 100, bytes: 100 });
    come('a', 60);
    come('b', 60);
    come('c', 10);
    await settle();
    expect(entered).toEqual(['a']);
    admission.leave(60);
    await settle();
    expect(entered).toEqual(['a', 'b', 'c']);
  });

  it('bounds frames', async () => {
    const { admission, entered, come, settle } = watched({ frames: 2, bytes: 100 });
    for (const name of ['a', 'b', 'c', 'd']) come(name, 1);
    await settle();
    expect(entered).toEqual(['a', 'b']);
    admission.leave(1);
    await settle();
    expect(entered).toEqual(['a', 'b', 'c']);
  });

  it('lets a frame above the limit in, alone', async () => {
    const { admission, entered, come, settle } = watched({ frames: 9, bytes: 100 });
    come('a', 1);
    come('large', 1000);
    come('b', 1);
    await settle();
    expect(entered).toEqual(['a']);
    admission.leave(1);
    await settle();
    expect(entered).toEqual(['a', 'large']);
    admission.leave(1000);
    await settle();
    expect(entered).toEqual(['a', 'large', 'b']);
  });

  it('refuses who waits and who comes once it is shut', async () => {
    const { admission, entered, refused, come, settle } = watched({ frames: 1, bytes: 100 });
    come('a', 1);
    come('b', 1);
    admission.shut(new Error('shut'));
    come('c', 1);
    await settle();
    expect({ entered, refused }).toEqual({ entered: ['a'], refused: expect.arrayContaining(['b', 'c']) as string[] });
  });
});
