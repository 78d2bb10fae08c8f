/** `storestow upload --direct`: the whole way in this process, behind the face of a bucket. Loaded where it is asked for. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from '../core/config/load.ts';
import type { Config } from '../core/config/schema.ts';
import type { Log } from '../core/logging.ts';
import { stateFolder } from '../core/spool-layout.ts';
import { createMemoryStore } from '../core/store/memory-store.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { createDirectStore } from '../functions/direct/direct-store.ts';
import { openStowedJournal } from '../functions/direct/stowed-journal.ts';
import { openPorts } from '../functions/ingest/open-ports.ts';
import type { SeedArguments } from './seed-arguments.ts';
import type { UploadArguments } from './upload-arguments.ts';

/** `folder`: what is uploaded; `spool`: where its locks lie. */
export async function openDirectTarget(
  { folder, spool }: { readonly folder: string; readonly spool: string },
  config: Config,
  args: UploadArguments,
  seed: SeedArguments | undefined,
  log: Log,
): Promise<ObjectStore> {
  const opened = await openPorts(directConfig(config, args, seed), log, createMemoryStore());
  const journal = openStowedJournal(await journalPath(folder, spool));
  const direct = createDirectStore(opened.ports, { journal });
  return {
    ...direct,
    close: async () => {
      await direct.close();
      await opened.close();
      journal.close();
    },
  };
}

/** Beside the locks of the spool. A folder that is not there is for the uploader to judge: no trace of a visit is left for it. */
async function journalPath(folder: string, spool: string): Promise<string> {
  if (!existsSync(folder)) return ':memory:';
  await mkdir(stateFolder(spool), { recursive: true, mode: 0o700 });
  return join(stateFolder(spool), 'sent.sqlite');
}

function directConfig(config: Config, args: UploadArguments, seed: SeedArguments | undefined): Config {
  const url = args.archive ?? seed?.stowUrl;
  const institutions = args.institutions ?? seed?.institutionMapping;
  return parseConfig(
    {
      ...config,
      ...(url === undefined ? {} : { archive: { ...config.archive, url } }),
      coerce: { ...config.coerce, ...(institutions === undefined ? {} : { institutions }) },
    },
    'what the command line gives',
  );
}
