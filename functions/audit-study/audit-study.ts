/** Gathers what manifests, bucket and archive say of one study, and has it compared. */
import { readManifests } from '../../core/audit/manifest.ts';
import { queryAudit, reasonOf, type AuditRow } from '../../core/audit/query.ts';
import { compareThreeWays, type HeldInstance, type ReceivedInstance, type ThreeWayRow } from '../../core/audit/three-way.ts';
import type { ArchiveConfig } from '../../core/config/schema.ts';
import { asStorestowError, StorestowError } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { archiveUrl, type UrlSource } from '../../core/stow/archive-url.ts';
import { createDicomWeb, openConnection } from '../../core/stow/dicomweb.ts';
import { listStudy } from '../../core/stow/study-listing.ts';

export interface StudyAudit {
  readonly rows: readonly ThreeWayRow[];
  /** Objects below the study's manifests that are none: what they would name counts as not received. */
  readonly problems: readonly StorestowError[];
  /** Addresses of the archive that were asked. */
  readonly asked: readonly string[];
}

export interface StudyAuditOptions {
  readonly studyInstanceUID: string;
  /** Of the receiver; absent: all. */
  readonly site?: string;
}

/** Throws what the store throws, and `ARCHIVE_…` errors: without the archive's word there is nothing to compare. */
export async function auditStudy(
  store: ObjectStore,
  archive: ArchiveConfig,
  { studyInstanceUID, site }: StudyAuditOptions,
): Promise<StudyAudit> {
  const sources = new Map<string, UrlSource>();
  const addressOf = (source: UrlSource): { readonly address?: string } => {
    const address = addressFor(archive.url, source);
    if (address === undefined) return {};
    sources.set(address, source);
    return { address };
  };
  const { received, problems } = await receivedOf(store, studyInstanceUID, site, addressOf);
  const filter = { studyInstanceUID, ...(site === undefined ? {} : { site }) };
  const held = (await Array.fromAsync(queryAudit(store, filter))).map((row) => heldOf(row, addressOf));
  const listed = await listAll(archive, sources, studyInstanceUID);
  return { rows: compareThreeWays({ received, held, listed }), problems, asked: [...listed.keys()] };
}

type AddressOf = (source: UrlSource) => { readonly address?: string };

async function receivedOf(
  store: ObjectStore,
  study: string,
  site: string | undefined,
  addressOf: AddressOf,
): Promise<{ readonly received: readonly ReceivedInstance[]; readonly problems: readonly StorestowError[] }> {
  const received: ReceivedInstance[] = [];
  const problems: StorestowError[] = [];
  for await (const manifest of readManifests(store, study, site)) {
    if (manifest instanceof StorestowError) problems.push(manifest);
    else {
      const where = addressOf({ aet: manifest.callingAET, site: manifest.site });
      received.push(...manifest.instances.map(({ key, sopInstanceUID, size }) => ({ key, sopInstanceUID, size, ...where })));
    }
  }
  return { received, problems };
}

function heldOf({ key, sopInstanceUID, size, callingAET, site, record }: AuditRow, addressOf: AddressOf): HeldInstance {
  const reason = record === undefined ? undefined : reasonOf(record.status);
  return {
    key,
    sopInstanceUID,
    size,
    status: record?.status.kind ?? 'pending',
    ...(reason === undefined ? {} : { reason }),
    ...addressOf({ aet: callingAET, site, institution: record?.institution }),
  };
}

/** `undefined` where the address needs what is not known: the institution of what was not stowed, an AE title that cannot stand in one. */
function addressFor(template: string, source: UrlSource): string | undefined {
  try {
    return archiveUrl(template, source);
  } catch (thrown) {
    if (asStorestowError(thrown).code === 'UNKNOWN_SOURCE') return undefined;
    throw thrown;
  }
}

async function listAll(
  archive: ArchiveConfig,
  sources: ReadonlyMap<string, UrlSource>,
  study: string,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const connection = openConnection(archive);
  try {
    const listings = [...sources].map(([address, source]) =>
      connection.limit(async () => [address, await listStudy(createDicomWeb(archive, source, connection), study)] as const),
    );
    return new Map(await Promise.all(listings));
  } finally {
    await connection.close();
  }
}
