/** `storestow status`: what waits at this site, and whether somebody has to look. */
import { lookAtSpool } from '../local-uploader/look-at-spool.ts';
import { spoolStatus, statusExitCode } from '../local-uploader/spool-status.ts';
import { Command, dataOption, examples, Option, type Subcommand } from './command.ts';
import type { Finish } from './exit-code.ts';
import { spoolOf } from './spool-folder.ts';
import { statusText } from './status-text.ts';

export function statusCommand(finish: Finish): Subcommand {
  return new Command('status')
    .description('What waits at this site, what was done today, what failed, and how long the disk will do')
    .optionsGroup('Output:')
    .option('--json', 'one JSON object')
    .addOption(new Option('--spool <folder>', 'the spool (default: spool in the data folder)').helpGroup('Configuration:'))
    .addOption(dataOption())
    .addHelpText(
      'after',
      `\nExit codes: 0 all goes its way · 1 files failed that will not go by themselves · 75 something waits after a failed try or for
more than 15 minutes, or the disk is full within a day or has less than 5 % free\n${examples(
        ['storestow status --spool /var/spool/storestow', 'an installation'],
        ['storestow status --spool /var/spool/storestow --json', 'for a monitor'],
      )}`,
    )
    .action(async ({ json, spool, data }) => {
      const status = spoolStatus(await lookAtSpool(spoolOf({ spool, data }), new Date()));
      process.stdout.write(json === true ? `${JSON.stringify(status)}\n` : statusText(status));
      finish(statusExitCode(status));
    });
}
