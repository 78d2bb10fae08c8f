/** What the embedded archive holds: files (instance-files.ts) and their index in SQLite, whose row is what makes an instance exist. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { inTransaction, openSharedDatabase } from '../../core/shared-database.ts';
import { createInFlight, type InFlight } from '../../core/stow/in-flight.ts';
import type { Segment } from '../../core/dicom/byte-source.ts';
import type { Description } from './describe-instance.ts';
import { InstanceFiles, type InstanceNames, type WrittenFile } from './instance-files.ts';
import type { JsonElement } from './to-dicom-json.ts';

export interface NewInstance extends InstanceNames {
  readonly sopClassUID: string;
  readonly description: Description;
  /** What the file shall hold. */
  readonly segments: readonly Segment[];
}

/** `exists`: some study holds this SOP Instance UID; nothing was stored. `other-patient`: the study is another patient's. */
export type Added = { readonly kind: 'added' | 'exists' } | { readonly kind: 'other-patient'; readonly known: string };

export interface IndexedInstance extends InstanceNames {
  readonly sopClassUID: string;
  readonly transferSyntaxUID: string;
  /** Bytes of the stored file. */
  readonly size: number;
  readonly digest: string;
  readonly createdAt: Date;
  readonly seriesSize: number;
  readonly attributes: readonly (readonly [string, JsonElement])[];
}

export interface IndexedStudy {
  readonly studyInstanceUID: string;
  readonly modalities: readonly string[];
  readonly seriesCount: number;
  readonly instanceCount: number;
  readonly attributes: readonly (readonly [string, JsonElement])[];
}

/** Absent: any. */
export interface Selection {
  readonly studyInstanceUIDs?: readonly string[];
  readonly seriesInstanceUIDs?: readonly string[];
  readonly sopInstanceUIDs?: readonly string[];
}

const DDL = `
  CREATE TABLE IF NOT EXISTS studies (
    study      TEXT NOT NULL PRIMARY KEY,
    patient    TEXT NOT NULL,
    attributes TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS instances (
    id         INTEGER PRIMARY KEY,
    sop        TEXT NOT NULL UNIQUE,
    study      TEXT NOT NULL REFERENCES studies (study),
    series     TEXT NOT NULL,
    class      TEXT NOT NULL,
    syntax     TEXT NOT NULL,
    modality   TEXT NOT NULL,
    size       INTEGER NOT NULL,
    digest     TEXT NOT NULL,
    created    INTEGER NOT NULL,
    attributes TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS instances_by_study ON instances (study, series);
`;

export class InstanceStore {
  readonly folder: string;
  readonly #database: DatabaseSync;
  readonly #files: InstanceFiles;
  readonly #writing: InFlight = createInFlight();

  private constructor(folder: string, database: DatabaseSync, files: InstanceFiles) {
    this.folder = folder;
    this.#database = database;
    this.#files = files;
  }

  static async open(folder: string): Promise<InstanceStore> {
    await mkdir(folder, { recursive: true });
    const files = new InstanceFiles(folder);
    await files.prepare();
    const database = openSharedDatabase(path.join(folder, 'archive.sqlite'));
    database.exec(DDL);
    return new InstanceStore(folder, database, files);
  }

  close(): void {
    this.#database.close();
  }

  /** As dcm4chee by default: the first content of a SOP Instance UID stays, in whatever study. */
  async add(instance: NewInstance): Promise<Added> {
    return this.#writing.hold([instance.sopInstanceUID], async () => {
      const refused = this.#check(instance);
      if (refused !== undefined) return refused;
      const written = await this.#files.write(instance, instance.segments);
      const added = this.#insert(instance, written);
      if (added.kind !== 'added') await this.#files.remove(instance);
      return added;
    });
  }

  #check({ sopInstanceUID, studyInstanceUID, description }: NewInstance): Added | undefined {
    if (this.#database.prepare('SELECT 1 FROM instances WHERE sop = ?').get(sopInstanceUID) !== undefined)
      return { kind: 'exists' };
    const study = this.#database.prepare('SELECT patient FROM studies WHERE study = ?').get(studyInstanceUID);
    if (study === undefined || description.patient === undefined) return undefined;
    const known = text(study['patient']);
    return known === description.patient ? undefined : { kind: 'other-patient', known };
  }

  #insert(instance: NewInstance, { size, digest }: WrittenFile): Added {
    const { studyInstanceUID, seriesInstanceUID, sopInstanceUID, sopClassUID, description } = instance;
    return inTransaction(this.#database, () => {
      const refused = this.#check(instance);
      if (refused !== undefined) return refused;
      this.#database
        .prepare('INSERT OR IGNORE INTO studies VALUES (?, ?, ?)')
        .run(studyInstanceUID, description.patient ?? this.#inventedPatient(), JSON.stringify(description.studyAttributes));
      this.#database
        .prepare('INSERT INTO instances VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
        .run(
          sopInstanceUID,
          studyInstanceUID,
          seriesInstanceUID,
          sopClassUID,
          description.transferSyntaxUID,
          description.modality,
          size,
          digest,
          Date.now(),
          JSON.stringify(description.instanceAttributes),
        );
      return { kind: 'added' };
    });
  }

  #inventedPatient(): string {
    const row = this.#database.prepare("SELECT count(*) AS n FROM studies WHERE patient LIKE 'P-________^^^DCM4CHEE'").get();
    return `P-${String(Number(row?.['n'] ?? 0) + 1).padStart(8, '0')}^^^DCM4CHEE`;
  }

  /** In the order of their arrival. */
  instances(
    selection: Selection,
    { offset, limit }: { readonly offset: number; readonly limit: number },
  ): readonly IndexedInstance[] {
    const { where, values } = whereOf(selection);
    return this.#database
      .prepare(
        `SELECT *, (SELECT count(*) FROM instances s WHERE s.study = i.study AND s.series = i.series) AS seriesSize
         FROM instances i ${where} ORDER BY id LIMIT ? OFFSET ?`,
      )
      .all(...values, limit, offset)
      .map(indexedInstance);
  }

  /** The first instance of each series: what it says of the series counts. */
  series(
    selection: Selection,
    { offset, limit }: { readonly offset: number; readonly limit: number },
  ): readonly IndexedInstance[] {
    const { where, values } = whereOf(selection);
    return this.#database
      .prepare(
        `SELECT first.*, found.seriesSize FROM instances first
         JOIN (SELECT min(i.id) AS id, count(*) AS seriesSize FROM instances i ${where} GROUP BY i.study, i.series) found
         ON found.id = first.id ORDER BY first.id LIMIT ? OFFSET ?`,
      )
      .all(...values, limit, offset)
      .map(indexedInstance);
  }

  count(selection: Selection): number {
    const { where, values } = whereOf(selection);
    return Number(this.#database.prepare(`SELECT count(*) AS n FROM instances i ${where}`).get(...values)?.['n'] ?? 0);
  }

  studies(
    { studyInstanceUIDs }: Selection,
    { offset, limit }: { readonly offset: number; readonly limit: number },
  ): readonly IndexedStudy[] {
    const { where, values } = whereOf(studyInstanceUIDs === undefined ? {} : { studyInstanceUIDs });
    return this.#database
      .prepare(
        `SELECT i.study AS study, s.attributes AS attributes, count(*) AS instances, count(DISTINCT i.series) AS series,
                group_concat(DISTINCT i.modality) AS modalities, min(i.id) AS first
         FROM instances i JOIN studies s ON s.study = i.study ${where} GROUP BY i.study ORDER BY first LIMIT ? OFFSET ?`,
      )
      .all(...values, limit, offset)
      .map((row) => ({
        studyInstanceUID: text(row['study']),
        modalities: text(row['modalities'])
          .split(',')
          .filter((modality) => modality !== ''),
        seriesCount: Number(row['series']),
        instanceCount: Number(row['instances']),
        attributes: attributesIn(row['attributes']),
      }));
  }

  pathOf(names: InstanceNames): string {
    return this.#files.pathOf(names);
  }

  /** For a file of whoever receives what may become an instance; on the same file system. */
  temporaryPath(): string {
    return this.#files.temporaryPath();
  }
}

function whereOf({ studyInstanceUIDs, seriesInstanceUIDs, sopInstanceUIDs }: Selection): { where: string; values: string[] } {
  const conditions = [
    ['i.study', studyInstanceUIDs],
    ['i.series', seriesInstanceUIDs],
    ['i.sop', sopInstanceUIDs],
  ] as const;
  const set = conditions.flatMap(([column, uids]) => (uids === undefined ? [] : [{ column, uids }]));
  return {
    where:
      set.length === 0
        ? ''
        : `WHERE ${set.map(({ column, uids }) => `${column} IN (${uids.map(() => '?').join(',')})`).join(' AND ')}`,
    values: set.flatMap(({ uids }) => uids),
  };
}

function indexedInstance(row: Record<string, SQLOutputValue>): IndexedInstance {
  return {
    studyInstanceUID: text(row['study']),
    seriesInstanceUID: text(row['series']),
    sopInstanceUID: text(row['sop']),
    sopClassUID: text(row['class']),
    transferSyntaxUID: text(row['syntax']),
    size: Number(row['size']),
    digest: text(row['digest']),
    createdAt: new Date(Number(row['created'])),
    seriesSize: Number(row['seriesSize']),
    attributes: attributesIn(row['attributes']),
  };
}

function text(value: SQLOutputValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function attributesIn(value: SQLOutputValue | undefined): readonly (readonly [string, JsonElement])[] {
  return JSON.parse(text(value)) as readonly (readonly [string, JsonElement])[];
}
