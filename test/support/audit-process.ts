/** What `storestow audit --json` prints. */
import { runStorestow } from './storestow-process.ts';

export interface AuditEntry {
  readonly status: string;
  readonly reason?: string;
  readonly institution?: string;
  readonly sopInstanceUID: string;
  readonly callingAET: string;
  readonly key: string;
}

export async function runAudit(data: string, filter: readonly string[] = []): Promise<readonly AuditEntry[]> {
  const { stdout, stderr, code } = await runStorestow(['audit', '--data', data, '--json', ...filter]);
  if (code !== 0) throw new Error(`audit ended with ${String(code)}: ${stderr}`);
  return JSON.parse(stdout) as readonly AuditEntry[];
}

/** All of a study once each of `count` objects has an outcome; before that, nothing. For `waitUntil`. */
export async function settledAudit(data: string, study: string, count: number): Promise<readonly AuditEntry[] | undefined> {
  const entries = await runAudit(data, ['--study', study]);
  return entries.length >= count && entries.every(({ status }) => status !== 'pending') ? entries : undefined;
}
