/** What an object of the bucket says, as JSON in UTF-8. Throws what `refused` makes of the cause. */
export function decodeJson(body: Uint8Array, refused: (cause: unknown) => Error): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw refused(cause);
  }
}
