/** What a dry run over many files comes to. */
import type { FilePreview } from '../functions/process/preview-file.ts';
import { EXIT, type ExitCode } from './exit-code.ts';

export class PreviewSummary {
  readonly #files = { changes: 0, unchanged: 0, refused: 0 };
  #encoded = 0;
  #unexplained = 0;

  add(preview: FilePreview): void {
    this.#files[preview.outcome] += 1;
    if (preview.outcome === 'refused') return;
    if (preview.encoded) this.#encoded += 1;
    this.#unexplained += preview.unexplained;
  }

  /** `12 would change (10 encoded), 0 would not, 1 refused` and, where there are some, the unexplained differences. */
  get text(): string {
    const { changes, unchanged, refused } = this.#files;
    const unexplained = this.#unexplained === 0 ? '' : `; ${this.#unexplained} UNEXPLAINED, which is an error of storestow`;
    return `${changes} would change (${this.#encoded} encoded), ${unchanged} would not, ${refused} refused${unexplained}\n`;
  }

  get exitCode(): ExitCode {
    return this.#files.refused + this.#unexplained === 0 ? EXIT.done : EXIT.failed;
  }
}
