/** What an uploader notes beside its work: for `storestow status`, and as marks on the files that stay. */
import type { Config } from '../core/config/schema.ts';
import type { Log } from '../core/logging.ts';
import { openExtendedAttributes } from '../local-uploader/marks/extended-attributes.ts';
import { FileMarker } from '../local-uploader/marks/file-marks.ts';
import { UploadJournal } from '../local-uploader/upload/upload-journal.ts';
import type { UploadPorts } from '../local-uploader/upload/upload-study.ts';

export class UploadNotes {
  readonly #journal: UploadJournal;
  readonly #marker: FileMarker | undefined;

  constructor(spool: string, { upload: { marks } }: Config, log: Log) {
    this.#journal = new UploadJournal(spool, { log, now: () => new Date() });
    this.#marker = marks ? new FileMarker(openExtendedAttributes, log) : undefined;
  }

  readonly ports: Pick<UploadPorts, 'onSending' | 'onEnded'> = {
    onSending: (file) => this.#journal.sending(file),
    onEnded: (file) => {
      this.#journal.ended(file);
      this.#marker?.mark(file);
    },
  };

  /** How full the disk is now. */
  look(): void {
    this.#journal.look();
  }

  /** When all of it is written. */
  async close(): Promise<void> {
    await this.#marker?.settled();
    await this.#journal.close();
  }
}
