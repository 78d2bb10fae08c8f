/** What a handler of the embedded archive answers; the server writes it. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | AsyncIterable<Uint8Array>;
}

/** Without a body; dcm4chee says so. */
export function emptyAnswer(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { ...headers, 'Content-Length': '0' } };
}

export function textAnswer(status: number, contentType: string, text: string): Answer {
  return { status, headers: { 'Content-Type': contentType, 'Content-Length': String(Buffer.byteLength(text)) }, body: text };
}

/** As dcm4chee words its own errors: JSON, told to be text. */
export function errorMessage(status: number, message: string): Answer {
  return textAnswer(status, 'text/plain;charset=UTF-8', JSON.stringify({ errorMessage: message }));
}
