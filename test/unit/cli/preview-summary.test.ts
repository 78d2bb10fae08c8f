import { describe, expect, it } from 'vitest';
import { PreviewSummary } from '../../../cli/preview-summary.ts';
import type { FilePreview } from '../../../functions/process/preview-file.ts';

function changed(encoded: boolean, unexplained = 0): FilePreview {
  return { input: 'a', outcome: 'changes', encoded, differences: [], unexplained };
}
const unchanged: FilePreview = { input: 'a', outcome: 'unchanged', encoded: false, differences: [], unexplained: 0 };
const refused: FilePreview = { input: 'a', outcome: 'refused', code: 'MALFORMED', message: 'at byte 7' };

describe('the summary of a dry run', () => {
  it.each<[string, readonly FilePreview[], string, number]>([
    ['nothing', [], '0 would change (0 encoded), 0 would not, 0 refused\n', 0],
    ['changes', [changed(true), changed(false), unchanged], '2 would change (1 encoded), 1 would not, 0 refused\n', 0],
    ['a refused file', [changed(true), refused], '1 would change (1 encoded), 0 would not, 1 refused\n', 1],
    [
      'what nothing explains',
      [changed(true, 2), changed(false, 1)],
      '2 would change (1 encoded), 0 would not, 0 refused; 3 UNEXPLAINED, which is an error of storestow\n',
      1,
    ],
  ])('counts %s', (_name, previews, text, exitCode) => {
    const summary = new PreviewSummary();
    for (const preview of previews) summary.add(preview);
    expect({ text: summary.text, exitCode: summary.exitCode }).toEqual({ text, exitCode });
  });
});
