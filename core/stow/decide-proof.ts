/** How far it is proved that the archive holds what was sent, and what follows from what was found. Pure. */
import type { ProofLevel } from '../config/schema.ts';

/**
 * The digest that the archive tells of the bytes that it keeps, held against the one that they should have.
 * `unpredictable`: it tells one, but which one it should be is not known. `untold`: it tells none.
 */
export type DigestVerdict = 'equal' | 'differs' | 'unpredictable' | 'untold';

/** `accept`: as the outcome says, which is listed. `proved`: by the digest. `retrieve`: only its content can tell. */
export type ProofStep = 'accept' | 'proved' | 'retrieve';

/** Whether the archive's digest is to be asked for. What was there before it was sent is anybody's: a look at the list proves nothing. */
export function needsDigest(level: ProofLevel, alreadyThere: boolean): boolean {
  return level !== 'listed' || alreadyThere;
}

/**
 * Of an instance that the archive lists, or says that it stored:
 *
 * | archive.proof | it was        | equal  | differs  | unpredictable | untold   |
 * |---------------|---------------|--------|----------|---------------|----------|
 * | `listed`      | sent now      | accept | accept   | accept        | accept   |
 * | `digest`      | sent now      | proved | retrieve | retrieve      | accept   |
 * | `retrieved`   | sent now      | proved | retrieve | retrieve      | retrieve |
 * | any           | there before  | proved | retrieve | retrieve      | retrieve |
 */
export function decideProof(level: ProofLevel, alreadyThere: boolean, digest: DigestVerdict): ProofStep {
  if (!needsDigest(level, alreadyThere)) return 'accept';
  if (digest === 'equal') return 'proved';
  return digest === 'untold' && level === 'digest' && !alreadyThere ? 'accept' : 'retrieve';
}

/**
 * What was retrieved, held against what was sent. `incomparable`: all is the same but the pixel data, which the archive keeps in
 * another transfer syntax. `unreadable`: it came, and is no whole DICOM file. `unretrieved`: there is nothing to compare.
 */
export type RetrievalVerdict = 'same' | 'differs' | 'incomparable' | 'unreadable' | 'unretrieved';

/** `conflict`: permanent. `later`: retryable, so that it is compared once the archive gives it. */
export type RetrievalStep = 'proved' | 'accept' | 'conflict' | 'later';

/**
 * | retrieved       | sent now                                                          | there before |
 * |-----------------|-------------------------------------------------------------------|--------------|
 * | same            | proved                                                            | proved       |
 * | differs         | conflict                                                          | conflict     |
 * | incomparable    | accept: the archive transcodes what it takes                      | conflict     |
 * | unreadable      | later: the archive may have lost it, or something on the way spoiled the answer | later |
 * | unretrieved     | accept, where `digest` was asked for and no digest differs; else later | later   |
 */
export function decideRetrieved(
  retrieved: RetrievalVerdict,
  { level, alreadyThere, digest }: { readonly level: ProofLevel; readonly alreadyThere: boolean; readonly digest: DigestVerdict },
): RetrievalStep {
  switch (retrieved) {
    case 'same':
      return 'proved';
    case 'differs':
      return 'conflict';
    case 'incomparable':
      return alreadyThere ? 'conflict' : 'accept';
    case 'unreadable':
      return 'later';
    case 'unretrieved':
      return !alreadyThere && level === 'digest' && digest !== 'differs' ? 'accept' : 'later';
  }
}

/**
 * Where the archive as a whole lists a SOP Instance UID that it said it stored, and does not list under its study however long it was
 * asked. `unknown`: it cannot be asked, or contradicts itself.
 */
export type Whereabouts =
  { readonly kind: 'this-study' | 'nowhere' | 'unknown' } | { readonly kind: 'other-study'; readonly studyInstanceUID: string };

/** `found`: it was slow to list. `lost`, `later`: NOT_IN_ARCHIVE, permanent or retryable. `as-decided`: what was decided without this. */
export type AbsentStep = 'found' | 'lost' | 'later' | 'as-decided';

/**
 * dcm4chee answers 200 "stored" to an instance whose SOP Instance UID it has in another study, and drops it (contract, section 9):
 * the same bytes will be dropped again. What it has nowhere it may list later, or take when it comes again: each run asks first, the
 * queue has so many, and after the last one the object is `failed/NOT_IN_ARCHIVE`.
 *
 * | the archive lists the SOP Instance UID | then       |
 * |----------------------------------------|------------|
 * | under this study                       | found      |
 * | under another one only                 | lost       |
 * | nowhere                                | later      |
 * | cannot be asked                        | as decided |
 */
export function decideAbsent({ kind }: Whereabouts): AbsentStep {
  switch (kind) {
    case 'this-study':
      return 'found';
    case 'other-study':
      return 'lost';
    case 'nowhere':
      return 'later';
    case 'unknown':
      return 'as-decided';
  }
}
