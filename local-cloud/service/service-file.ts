/** A file that a supervisor reads, and the steps that install or take away a whole set of them. */

export interface ServiceFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

export type InstallStep =
  | { readonly kind: 'write'; readonly path: string; readonly text: string }
  | { readonly kind: 'remove'; readonly path: string }
  | {
      readonly kind: 'run';
      readonly command: readonly string[];
      /** What it ends may have ended, or was never begun. */
      readonly mayFail?: boolean;
      /** Seconds in which it is tried again: what it takes the place of may still be ending. */
      readonly triedFor?: number;
    };

/** Stands in each file that was written, so that no other is ever removed. Comments of XML have no two hyphens. */
export function mark(name: string): string {
  return `Written by storestow service for ${name}; whoever installs that again overwrites what is changed here`;
}

/** Whether a file of this name and content is one that `storestow service` wrote for `name`. */
export function isOurs(text: string, name: string): boolean {
  return text.includes(mark(name));
}
