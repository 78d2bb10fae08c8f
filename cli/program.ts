/** The subcommands put together, and the one place where an error becomes a line for a person and an exit code. */
import { asStorestowError } from '../core/errors.ts';
import { Command, CommanderError, EXIT_CODES_HELP, type Subcommand } from './command.ts';
import { EXIT, exitCodeOf, type Finish } from './exit-code.ts';
import { version } from './version.ts';

type Build = (finish: Finish) => Subcommand;

/** In the order and the groups of the help. A subcommand is loaded when it is the one that runs: each has its own libraries. */
const SUBCOMMANDS = [
  { name: 'up', group: 'Run:', load: async (): Promise<Build> => (await import('./up.ts')).upCommand },
  { name: 'upload', group: 'Run:', load: async (): Promise<Build> => (await import('./upload.ts')).uploadCommand },
  { name: 'service', group: 'Run:', load: async (): Promise<Build> => (await import('./service.ts')).serviceCommand },
  { name: 'redrive', group: 'Run:', load: async (): Promise<Build> => (await import('./redrive.ts')).redriveCommand },
  { name: 'status', group: 'Look:', load: async (): Promise<Build> => (await import('./status.ts')).statusCommand },
  { name: 'process', group: 'Look:', load: async (): Promise<Build> => (await import('./process.ts')).processCommand },
  { name: 'audit', group: 'Look:', load: async (): Promise<Build> => (await import('./audit.ts')).auditCommand },
  { name: 'doctor', group: 'Look:', load: async (): Promise<Build> => (await import('./doctor.ts')).doctorCommand },
] as const;

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
    .showHelpAfterError('(add --help for the options and examples)');
  for (const { group, load } of subcommandsFor(args)) program.commandsGroup(group).addCommand((await load())(finish));
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

/** The one that is named first; where none is, all of them: for the help, and to say which name was meant. The version needs none. */
function subcommandsFor([first = '']: readonly string[]): readonly (typeof SUBCOMMANDS)[number][] {
  if (first === '--version' || first === '-V') return [];
  const named = SUBCOMMANDS.filter(({ name }) => name === first);
  return named.length > 0 ? named : SUBCOMMANDS;
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
