/**
 * The folders of a spool. What is done to a file shows in where it lies:
 *
 * | place                | what lies there                                                                             |
 * |----------------------|---------------------------------------------------------------------------------------------|
 * | `receiving/`         | what storescp is writing; nothing else may touch it while storescp may still be at it         |
 * | `received/{IP}/`     | whole instances, moved here in one step after the C-STORE; the sender's address               |
 * | `set-aside/foreign/` | what is not DICOM, under its path in the spool; nothing looks at it again until a person moves it |
 * | `set-aside/damaged/` | the same of DICOM that no archive would take                                                 |
 * | any other sub-folder | a study that something else put there (`storescp -su`, a copy by hand)                        |
 * | files beside those   | the same, without a folder                                                                    |
 * | `.storestow/`        | locks and marks of the uploader, its socket, who sent which study                             |
 */
import { isIP } from 'node:net';
import { join } from 'node:path';

export const RECEIVING_FOLDER = 'receiving';
export const RECEIVED_FOLDER = 'received';
export const SET_ASIDE_FOLDER = 'set-aside';
export const STATE_FOLDER = '.storestow';

/** What is no study's folder. */
export const NOT_STUDIES: ReadonlySet<string> = new Set([STATE_FOLDER, RECEIVED_FOLDER, RECEIVING_FOLDER, SET_ASIDE_FOLDER]);

/** Seconds without a byte after which storescp drops an association (its `--socket-timeout`). */
export const SOCKET_TIMEOUT = 300;

/** Seconds without a write after which nothing in `receiving/` is still under way: twice as long as storescp waits. */
export const RECEIVING_ABANDONED_AFTER = 2 * SOCKET_TIMEOUT;

export function receivingFolder(spool: string): string {
  return join(spool, RECEIVING_FOLDER);
}

export function receivedFolder(spool: string): string {
  return join(spool, RECEIVED_FOLDER);
}

export function setAsideFolder(spool: string): string {
  return join(spool, SET_ASIDE_FOLDER);
}

export function stateFolder(spool: string): string {
  return join(spool, STATE_FOLDER);
}

/** The sender's address that the name of a folder below `received/` states; `undefined` for any other name. */
export function sourceAddress(folderName: string): string | undefined {
  return isIP(folderName) === 0 ? undefined : folderName;
}
