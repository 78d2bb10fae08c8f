/** One file coerced, encoded and written: what `process` does with each input. */
import { withPreparedFile } from './prepared-file.ts';
import { refusedLine, writtenLine, type ReportLine } from './report-line.ts';
import type { ProcessPorts } from './process-ports.ts';
import { writeWhole } from './write-whole.ts';

/** Never rejects: what cannot be read, prepared or written is refused, and then nothing is written. */
export async function processFile(input: string, output: string, ports: ProcessPorts): Promise<ReportLine> {
  try {
    return await withPreparedFile(input, ports, async ({ prepared }) => {
      await writeWhole(output, prepared);
      return writtenLine(input, output, prepared);
    });
  } catch (thrown) {
    return refusedLine(input, thrown);
  }
}
