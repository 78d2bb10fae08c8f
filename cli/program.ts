/** The subcommands put together, and the one place where an error becomes a line for a person and an exit code. */
import { readFile } from 'node:fs/promises';
import { asStorestowError } from '../core/errors.ts';
import { auditCommand } from './audit.ts';
import { Command, CommanderError, EXIT_CODES_HELP, type Subcommand } from './command.ts';
import { doctorCommand } from './doctor.ts';
import { EXIT, exitCodeOf, type Finish } from './exit-code.ts';
import { processCommand } from './process.ts';
import { redriveCommand } from './redrive.ts';
import { upCommand } from './up.ts';
import { serviceCommand } from './service.ts';
import { statusCommand } from './status.ts';
import { uploadCommand } from './upload.ts';

async function version(): Promise<string> {
  // From sources the package file is one folder up, from dist/ two.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(await readFile(new URL(path, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

export async function run(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.done;
  process.stdout.on('error', endWithReader);
  const finish: Finish = (code) => {
    exitCode = code;
  };
  const program = new Command('storestow')
    .description(
      'Carries DICOM studies from storescp to a bucket and by STOW-RS to the archive, and can prove later that it did.',
    )
    .version(await version())
    // Otherwise what stands behind the name of a command's subcommand would be read by the command.
    .enablePositionalOptions()
    .addHelpText('after', EXIT_CODES_HELP)
    .showHelpAfterError('(add --help for the options and examples)')
    .commandsGroup('Run:')
    .addCommand(upCommand(finish))
    .addCommand(uploadCommand(finish))
    .addCommand(serviceCommand(finish))
    .addCommand(redriveCommand(finish))
    .commandsGroup('Look:')
    .addCommand(statusCommand(finish))
    .addCommand(processCommand(finish))
    .addCommand(auditCommand(finish))
    .addCommand(doctorCommand(finish));
  throwInPlaceOfExit(program);
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (thrown) {
    // Commander has written its own line; help and version are no failures.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.done : EXIT.usage;
    const error = asStorestowError(thrown);
    process.stderr.write(`storestow: ${error.code}: ${error.message}\n`);
    if (error.code === 'INTERNAL' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack ?? ''}\n`);
    return exitCodeOf(error);
  }
}

/** Commander would end the process itself, in each command. */
function throwInPlaceOfExit(command: Subcommand): void {
  command.exitOverride();
  command.commands.forEach(throwInPlaceOfExit);
}

/** `storestow audit | head`: who reads has had enough, which is no failure. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  throw error;
}
