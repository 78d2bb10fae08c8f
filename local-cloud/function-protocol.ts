/** What the runner and a function process tell each other. */

export type ToFunction = {
  readonly kind: 'invoke';
  readonly id: number;
  readonly event: unknown;
  /** Milliseconds until the runner ends the process. */
  readonly remaining: number;
};

export type FromFunction =
  | { readonly kind: 'ready' }
  /** What the handler reported of one object, while the invocation goes on. */
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly response: unknown }
  /** The handler threw; `code` where it was an error of the family. */
  | { readonly kind: 'failed'; readonly id: number; readonly code: string };
