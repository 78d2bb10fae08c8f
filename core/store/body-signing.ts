import { s3ErrorCode } from './s3-errors.ts';

/**
 * Of one store: whether a body is left out of a PUT's signature. A bucket's policy may deny such a PUT (condition key
 * `s3:x-amz-content-sha256`), and no answer tells so before.
 *
 * | signed always | digests are kept | sent without, and answered with | then                                                    |
 * |---------------|------------------|---------------------------------|---------------------------------------------------------|
 * | yes           |                  |                                 | sent signed                                             |
 * |               | no               |                                 | sent signed                                             |
 * | no            | yes              | a denial                        | sent once more, signed; where that goes, always from now |
 * | no            | yes              | anything else                   | that is the answer                                      |
 */
export class BodySigning {
  #always: boolean;

  constructor(always: boolean) {
    this.#always = always;
  }

  /** `keepsDigests`: the store holds bodies to the digest that a PUT tells. `send`: the same each time, but for its signature. */
  async send<Answer>(keepsDigests: boolean, send: (signed: boolean) => Promise<Answer>): Promise<Answer> {
    if (this.#always || !keepsDigests) return send(true);
    try {
      return await send(false);
    } catch (error) {
      if (s3ErrorCode(error) !== 'STORE_DENIED') throw error;
      const answer = await send(true);
      this.#always = true;
      return answer;
    }
  }
}
