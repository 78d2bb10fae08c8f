/** Of a folder that may not be read, and of one whose file system syncs no folders (autofs, squashfs, vboxsf, some of macOS). */
const CANNOT_SYNC: ReadonlySet<unknown> = new Set(['EACCES', 'EINVAL', 'EROFS', 'EPERM']);

/** Whether a folder was not synced because it never can be. */
export function isUnsyncable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && CANNOT_SYNC.has(error.code);
}
