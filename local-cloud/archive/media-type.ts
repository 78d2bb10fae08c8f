/** Content-Type and Accept headers (RFC 9110 8.3, 12.5.1). */

export interface MediaType {
  /** `type/subtype`, lower case. */
  readonly name: string;
  /** Lower-case name → value, unquoted. */
  readonly parameters: ReadonlyMap<string, string>;
}

export function parseMediaType(text: string): MediaType {
  const [name = '', ...rest] = splitOutsideQuotes(text, ';');
  return {
    name: name.trim().toLowerCase(),
    parameters: new Map(
      rest.flatMap((parameter) => {
        const equals = parameter.indexOf('=');
        if (equals < 1) return [];
        const value = parameter.slice(equals + 1).trim();
        return [[parameter.slice(0, equals).trim().toLowerCase(), value.replace(/^"(.*)"$/s, '$1')] as const];
      }),
    ),
  };
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): readonly string[] {
  return text.match(new RegExp(`(?:"[^"]*"|[^"${separator}])+`, 'g')) ?? [];
}

/** The ranges of an Accept header, the preferred first; none stands for all. */
export function parseAccept(header: string | undefined): readonly MediaType[] {
  if (header === undefined || header.trim() === '') return [parseMediaType('*/*')];
  const quality = (range: MediaType): number => Number(range.parameters.get('q') ?? 1);
  return splitOutsideQuotes(header, ',')
    .map(parseMediaType)
    .filter((range) => quality(range) > 0)
    .sort((a, b) => quality(b) - quality(a));
}

/** The first of `offered` that the most preferred range takes; `undefined`: 406. */
export function negotiate(header: string | undefined, offered: readonly string[]): string | undefined {
  for (const { name } of parseAccept(header)) {
    const [type] = name.split('/');
    const match = offered.find(
      (offer) => name === '*/*' || name === offer || (name === `${type ?? ''}/*` && offer.startsWith(`${type ?? ''}/`)),
    );
    if (match !== undefined) return match;
  }
  return undefined;
}
