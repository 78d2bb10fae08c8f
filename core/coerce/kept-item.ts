/** What was taken of a worklist item, as the bucket keeps it: JSON, the values by keyword; none where nothing was taken. */
import { z } from 'zod';
import type { WorklistItem } from './worklist-item.ts';

/** Of the JSON; another version may take otherwise. */
const FORMAT = 1;

const schema = z.strictObject({
  format: z.literal(FORMAT),
  item: z.record(z.string(), z.array(z.string()).min(1)),
});

export function serializeItem(item: WorklistItem): string {
  return JSON.stringify({ format: FORMAT, item });
}

/** `undefined` where it is not what `serializeItem` wrote. */
export function parseItem(json: string): WorklistItem | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  return schema.safeParse(value).data?.item;
}
