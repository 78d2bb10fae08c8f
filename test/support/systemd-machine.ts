/**
 * A machine of its own for a test, as far as units can tell: namespaces with systemd as the first process, a network of nothing but
 * loopback, and /etc, /var, /tmp and /run whose changes are gone with it. Nothing of this machine's own systemd takes part.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const SYSTEMD = '/lib/systemd/systemd';
const NAMESPACES = ['--pid', '--mount', '--uts', '--ipc', '--cgroup', '--net'];

/** What a script begins with that has a machine to itself; fails where such mounts may not be made. */
const OWN_FOLDERS = `
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /mnt
for folder in etc var tmp; do
  mkdir /mnt/$folder /mnt/$folder.work
  mount -t overlay overlay -o lowerdir=/$folder,upperdir=/mnt/$folder,workdir=/mnt/$folder.work /$folder
done
mount -t tmpfs tmpfs /run
`;

/** The targets that units name, without what they would start of a whole system. */
const BOOT = `${OWN_FOLDERS}
ip link set lo up
mkdir /run/targets
for target in sysinit basic network-online timers shutdown multi-user; do
  printf '[Unit]\\nDefaultDependencies=no\\n' > /run/targets/$target.target
done
printf '[Unit]\\nDefaultDependencies=no\\nWants=%s\\n' "$1" > /run/targets/machine.target
shift
"$@"
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_LOG_TARGET=null \\
  SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/targets \\
  ${SYSTEMD} --system --unit=machine.target --show-status=no --default-standard-output=null --crash-reboot=no
`;

export const systemdInstalled: boolean = existsSync(SYSTEMD);

/** Root with its capabilities, and a kernel that has cgroups where systemd looks for them. */
export const systemdMachineAvailable: boolean =
  systemdInstalled &&
  existsSync('/sys/fs/cgroup/systemd') === !existsSync('/sys/fs/cgroup/cgroup.controllers') &&
  ['ip', 'nsenter'].every((program) => spawnSync(program, ['-V']).status === 0) &&
  spawnSync('unshare', [...NAMESPACES, '--fork', 'sh', '-c', OWN_FOLDERS]).status === 0;

export interface SystemdMachine {
  /** Runs a command there, as root; its standard output. Rejects where it fails. */
  run(...command: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** `prepare` is run before systemd, which starts `unit`. Resolves when systemd answers. */
export async function startSystemdMachine(unit: string, prepare: readonly string[]): Promise<SystemdMachine> {
  const machine = spawn('unshare', [...NAMESPACES, '--fork', '--kill-child=SIGKILL', 'sh', '-c', BOOT, 'sh', unit, ...prepare], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  machine.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(machine, 'exit');
  const pid = machine.pid ?? 0;
  const enter = ['-t', String(pid), '--mount', '--uts', '--ipc', '--cgroup', '--net', `--pid=/proc/${pid}/ns/pid_for_children`];
  const run = async (...command: readonly string[]): Promise<string> =>
    (await promisify(execFile)('nsenter', [...enter, ...command])).stdout;
  const close = async (): Promise<void> => {
    machine.kill('SIGKILL');
    await ended;
  };
  for (;;) {
    if (machine.exitCode !== null) throw new Error(`the machine ended: ${said}`);
    const answers = await run('systemctl', 'show', '--property=Version').then(
      () => true,
      () => false,
    );
    if (answers) return { run, close };
  }
}
