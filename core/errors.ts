/**
 * The error family. Every failure that a user can meet carries a `code` from this table, whether trying again can
 * help (`retryable`), the object it concerns and, in the message, what to do. Decisions read `code` and `retryable`,
 * never the message.
 */

/** Code → whether the same input may succeed later. A retryable error goes back to the queue, any other one quarantines. */
const RETRYABLE = {
  // DICOM input
  NOT_PART10: false,
  MALFORMED: false,
  TRUNCATED: false,
  UNSUPPORTED_TRANSFER_SYNTAX: false,
  MISSING_UID: false,
  INVALID_UID: false,
  UNKNOWN_CHARACTER_SET: false,
  VALUE_NOT_ENCODABLE: false,
  CHANGE_NOT_APPLICABLE: false,
  TOO_LARGE: false,
  // Coercion
  RULES_INVALID: false,
  MAPPING_INVALID: false,
  UNKNOWN_SOURCE: false,
  WORKLIST_NO_MATCH: false,
  WORKLIST_AMBIGUOUS: false,
  WORKLIST_INVALID: false,
  WORKLIST_UNAVAILABLE: true,
  // Encoding
  CODEC_UNAVAILABLE: true,
  CODEC_FAILED: false,
  // Object store
  OBJECT_NOT_FOUND: false,
  PRECONDITION_FAILED: false,
  CHECKSUM_MISMATCH: true,
  STORE_DENIED: false,
  STORE_INVALID: false,
  STORE_UNAVAILABLE: true,
  STORE_FULL: true,
  STORE_CLOCK_WRONG: true,
  // Archive
  ARCHIVE_UNAVAILABLE: true,
  ARCHIVE_UNAUTHORIZED: true,
  ARCHIVE_FORBIDDEN: false,
  ARCHIVE_NOT_FOUND: false,
  ARCHIVE_REFUSED: false,
  ARCHIVE_REDIRECTED: false,
  ARCHIVE_SIZE_LIMIT: false,
  ARCHIVE_FAILED: true,
  ARCHIVE_AMBIGUOUS: true,
  TOKEN_UNAVAILABLE: true,
  TLS_UNTRUSTED: true,
  TLS_REFUSED: true,
  NOT_IN_ARCHIVE: true,
  CONFLICT: false,
  INSTITUTION_CONFLICT: false,
  // Uploader
  SPOOL_INVALID: false,
  SPOOL_FULL: true,
  FILE_CHANGED: true,
  LOCKED: true,
  // Function instances
  LEASE_HELD: true,
  // Queue
  QUEUE_UNAVAILABLE: true,
  // Local cloud
  PORT_IN_USE: false,
  PROCESS_FAILED: true,
  INVOCATION_TIMEOUT: true,
  // Audit
  MANIFEST_INVALID: false,
  HEARTBEAT_INVALID: false,
  // Use
  CONFIG_INVALID: false,
  USAGE: false,
  EVENT_INVALID: false,
  INTERNAL: true,
} as const satisfies Record<string, boolean>;

export type ErrorCode = keyof typeof RETRYABLE;

export interface ErrorOptions {
  /** What the error is about: an object key, a path, a UID, a URL without credentials. Never a patient's data. */
  readonly object?: string;
  readonly cause?: unknown;
  /** Overrides the table where the circumstances decide. */
  readonly retryable?: boolean;
  /** Byte offset in the input, for parse errors. */
  readonly offset?: number;
}

export class StorestowError extends Error {
  override readonly name = 'StorestowError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly object: string | undefined;
  readonly offset: number | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE[code];
    this.object = options.object;
    this.offset = options.offset;
  }
}

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(RETRYABLE, value);
}

/** Anything thrown → a member of the family, so that callers decide on `code` alone. Unknown errors become `INTERNAL`. */
export function asStorestowError(thrown: unknown, object?: string): StorestowError {
  if (thrown instanceof StorestowError) return thrown;
  const about = object === undefined ? '' : ` on ${object}`;
  return new StorestowError('INTERNAL', `unexpected error${about}; see the cause and report it`, {
    cause: thrown,
    ...(object === undefined ? {} : { object }),
  });
}
