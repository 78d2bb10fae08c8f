/** Who sent it → the name of the institution. */

/** By calling AE title or IP address, in the form that `institutionOf` looks up. */
export type InstitutionMapping = ReadonlyMap<string, string>;

/** By the calling AE title, then by the calling IP; `undefined` where both are unknown. */
export function institutionOf(
  mapping: InstitutionMapping,
  source: { readonly callingAET: string; readonly callingIP: string },
): string | undefined {
  return mapping.get(sourceKey(source.callingAET)) ?? mapping.get(sourceKey(source.callingIP));
}

/** What may be an IPv6 address, and its zone. */
const IPV6 = /^([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)(?:%[0-9A-Za-z.:-]+)?$/;

/** Spaces around an AE title do not count (PS3.5 6.2); `::ffff:10.0.0.5` is 10.0.0.5, and an IPv6 address has one form. */
export function sourceKey(text: string): string {
  const trimmed = text.trim();
  const url = `http://[${IPV6.exec(trimmed)?.[1] ?? ''}]`;
  if (!URL.canParse(url)) return trimmed;
  const canonical = new URL(url).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped === null) return canonical;
  const [high, low] = [mapped[1], mapped[2]].map((part) => Number.parseInt(part ?? '', 16));
  return [(high ?? 0) >>> 8, (high ?? 0) & 0xff, (low ?? 0) >>> 8, (low ?? 0) & 0xff].join('.');
}
