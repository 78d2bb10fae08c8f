/** What is kept on the original object, as tags: its state, and what an auditor asks for. */

export type Status =
  | { readonly kind: 'stowed' }
  | { readonly kind: 'quarantined'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

export interface AuditRecord {
  readonly status: Status;
  /** The name that was set, or the one received where no mapping is configured. */
  readonly institution?: string;
  /** Of the original Pixel Data value, without trailing pad; absent without pixel data. */
  readonly pixelLength?: number;
  readonly pixelMd5?: string;
  /** Of the instance as it was sent. */
  readonly sentMd5?: string;
  readonly detail?: AuditDetail;
}

/** Packed in one tag: `syntax:RECEIVED/SENT codec:NAME-VERSION rules:DIGEST proof:LEVEL archived:MD5 reason:HHHH at:TIME`. */
export interface AuditDetail {
  readonly syntaxReceived?: string;
  readonly syntaxSent?: string;
  /** `openjpeg-1.3.6`, or why it was not encoded. */
  readonly codec?: string;
  readonly rules?: string;
  readonly proof?: string;
  /** MD5 of the file as the archive keeps it, where it told it when it was proved that this is what was sent; dcm4chee's is not `sentMd5`. */
  readonly archivedMd5?: string;
  /** The archive's WarningReason of an instance that is stowed, or FailureReason of one that is not: four hexadecimal digits (PS3.18 10.5.3). */
  readonly archiveReason?: string;
  /** ISO 8601, UTC, of the outcome. */
  readonly at?: string;
}
