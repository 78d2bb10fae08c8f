/** `storestow status`: what waits at this site, or how all sites of a bucket are, and whether somebody has to look. */
import { readHeartbeats } from '../core/audit/heartbeat.ts';
import { clockAhead, judgeSite, sitesExitCode } from '../core/audit/judge-site.ts';
import { lookAtSpool } from '../local-uploader/status/look-at-spool.ts';
import { statusExitCode } from '../local-uploader/status/spool-status.ts';
import { bucketOption, Command, configOption, dataOption, examples, Option, wholeNumber, type Subcommand } from './command.ts';
import { openExistingBucket } from './existing-bucket.ts';
import type { Finish } from './exit-code.ts';
import { loadSettings, type Settings } from './settings.ts';
import { sitesText, type JudgedSite } from './sites-text.ts';
import { spoolOf } from './spool-folder.ts';
import { statusText } from './status-text.ts';

/** Minutes; a timer that sweeps the spool of a site without a resident uploader comes each quarter of an hour. */
const SILENT_AFTER = 20;

export function statusCommand(finish: Finish): Subcommand {
  return new Command('status')
    .description('What waits at this site, what was done today, what failed, and how long the disk will do')
    .optionsGroup('What:')
    .option('--sites', 'instead, all sites of the bucket by their heartbeats, and which are silent')
    .option('--silent-after <minutes>', 'for --sites', wholeNumber('minutes', 1), SILENT_AFTER)
    .optionsGroup('Output:')
    .option('--json', 'JSON')
    .addOption(new Option('--spool <folder>', 'the spool (default: spool in the data folder)').helpGroup('Configuration:'))
    .addOption(configOption())
    .addOption(bucketOption())
    .addOption(dataOption())
    .addHelpText(
      'after',
      `\nExit codes: 0 all goes its way · 1 files failed that will not go by themselves · 75 something waits after a failed try or for
more than 15 minutes, or the disk is full within a day or has less free than upload.disk says (5 %)
With --sites: 1 a site is silent, or files failed there · 75 something waits, a disk is full within a day or short of room, or a clock
is wrong\n${examples(
        ['storestow status --spool /var/spool/storestow --config /etc/storestow/config.json', 'an installation'],
        ['storestow status --spool /var/spool/storestow --json', 'for a monitor'],
        ['storestow status --sites --config /etc/storestow/config.json', 'at the centre'],
      )}`,
    )
    .action(async ({ json, spool, sites, silentAfter, ...options }) => {
      const settings = await loadSettings(options);
      if (sites === true) {
        const judged = await judgedSites(settings, silentAfter * 60);
        process.stdout.write(json === true ? `${JSON.stringify(judged.map(siteEntry))}\n` : sitesText(judged));
        finish(sitesExitCode(judged.map(({ judgement }) => judgement)));
        return;
      }
      const status = await lookAtSpool(spoolOf({ spool, data: options.data }), new Date());
      process.stdout.write(json === true ? `${JSON.stringify(status)}\n` : statusText(status));
      finish(statusExitCode(status, settings.config.upload.disk));
    });
}

async function judgedSites({ bucket }: Settings, silentAfter: number): Promise<JudgedSite[]> {
  const store = await openExistingBucket(bucket);
  try {
    const judged: JudgedSite[] = [];
    for await (const seen of readHeartbeats(store, () => new Date()))
      judged.push({ ...seen, judgement: judgeSite(seen, silentAfter) });
    return judged;
  } finally {
    await store.close();
  }
}

function siteEntry(judged: JudgedSite): object {
  const { key, judgement, ageInSeconds, heartbeat } = judged;
  const ahead = clockAhead(judged);
  return {
    key,
    judgement,
    ageInSeconds,
    ...(ahead === undefined ? {} : { clockAheadInSeconds: ahead }),
    ...(heartbeat instanceof Error ? { error: heartbeat.code } : { heartbeat }),
  };
}
