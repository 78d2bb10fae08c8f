/** How values stand in files that systemd reads: systemd.syntax(7), systemd.unit(5) "Specifiers", systemd.service(5) "Command lines". */

/** One word of a list of words, `%` for itself. */
export function unitWord(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}

/** One word of a command line: `$` would begin a variable, too. */
export function commandWord(word: string): string {
  const escaped = word.replaceAll('$', '$$$$');
  return /^[A-Za-z0-9_./:=@+,-]+$/.test(word) ? word : unitWord(escaped);
}

/** The rest of a line as text for people. */
export function unitText(text: string): string {
  return text.replaceAll('%', '%%');
}

export type Section = readonly (readonly [key: string, value: string])[];

export function unitFile(comment: string, sections: Readonly<Record<string, Section>>): string {
  const blocks = Object.entries(sections).map(([name, lines]) =>
    [`[${name}]`, ...lines.map(([key, value]) => `${key}=${value}`)].join('\n'),
  );
  return `# ${comment}\n${blocks.join('\n\n')}\n`;
}
