/**
 * The body of a STOW-RS request (PS3.18 8.6.1.2.1, RFC 2387): one part an instance, streamed from the instances' own segments,
 * nothing copied, its exact length known beforehand.
 */
import { randomBytes } from 'node:crypto';
import { segmentBytes } from '../dicom/byte-source.ts';
import type { Segments } from '../dicom/change.ts';

const CRLF = '\r\n';
const BOUNDARY_LENGTH = 58;

export interface MultipartBody {
  readonly contentType: string;
  /** Bytes, for Content-Length. */
  readonly length: number;
  /** Anew each time. Rejects where a part is not in memory and cannot be read. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** Long and random: dcm4chee matches a boundary as a prefix of what follows a line break, and no instance may hold it. */
export function newBoundary(): string {
  return `storestow-${randomBytes((BOUNDARY_LENGTH - 10) / 2).toString('hex')}`;
}

function opening(boundary: string): string {
  return `--${boundary}${CRLF}Content-Type: application/dicom${CRLF}${CRLF}`;
}

function closing(boundary: string): string {
  return `--${boundary}--${CRLF}`;
}

const SAMPLE = '-'.repeat(BOUNDARY_LENGTH);

/** Bytes that a part has besides its instance, and that a body has besides its parts. */
export const PART_OVERHEAD: number = opening(SAMPLE).length + CRLF.length;
export const BODY_OVERHEAD: number = closing(SAMPLE).length;

export function multipartType(boundary: string): string {
  return `multipart/related; type="application/dicom"; boundary=${boundary}`;
}

export function multipartBody(parts: readonly Segments[], boundary: string = newBoundary()): MultipartBody {
  const head = new Uint8Array(Buffer.from(opening(boundary), 'latin1'));
  const lineBreak = new Uint8Array(Buffer.from(CRLF, 'latin1'));
  const tail = new Uint8Array(Buffer.from(closing(boundary), 'latin1'));
  return {
    contentType: multipartType(boundary),
    length: parts.reduce((sum, part) => sum + head.length + part.length + lineBreak.length, tail.length),
    async *chunks() {
      for (const part of parts) {
        yield head;
        for (const segment of part.segments) yield* segmentBytes(segment);
        yield lineBreak;
      }
      yield tail;
    },
  };
}
