/**
 * The import rules of docs/architecture.md: folders in one direction, steps apart, each vendor library in its own file.
 * Type imports count.
 */
const SHIPPED = '^(core|functions|local-uploader|local-cloud|cli)/';

/** Library → the files that may import it. */
const VENDORS = {
  'iconv-lite': '^core/dicom/code-pages\\.ts$',
  plist: '^core/property-list\\.ts$',
  '@cornerstonejs/codec-openjpeg': '^core/encode/openjpeg\\.ts$',
  '@cornerstonejs/codec-openjph': '^core/encode/openjph\\.ts$',
  piscina: '^(core/encode/frame-pool|local-uploader/arrival/digest-file)\\.ts$',
  '@napi-rs/xattr': '^local-uploader/marks/extended-attributes\\.ts$',
  undici: '^core/stow/http\\.ts$',
  oauth4webapi: '^core/stow/client-credentials-grant\\.ts$',
  '@aws-sdk': '^(core/store/s3-[a-z-]+|functions/sweep/sqs-queue)\\.ts$',
  '@smithy': '^core/store/s3-[a-z-]+\\.ts$',
  'p-limit': '^core/concurrency\\.ts$',
  'p-queue': '^local-uploader/upload/oldest-first\\.ts$',
  'p-retry': '^core/retry\\.ts$',
  pino: '^core/logging\\.ts$',
  zod: '^(core/(config|coerce|stow)/|core/audit/(manifest|heartbeat)\\.ts$|core/store/object-event\\.ts$|functions/ingest/|functions/sweep/sweep-position\\.ts$|local-cloud/function-runner\\.ts$)',
  commander: '^cli/command\\.ts$',
  '@commander-js/extra-typings': '^cli/command\\.ts$',
  'cli-progress': '^cli/progress\\.ts$',
  'cli-table3': '^cli/table\\.ts$',
};

/** Steps of core: what each may use of the others. Everything in core may use errors, config, concurrency, retry, logging. */
const STEPS = {
  dicom: ['dicom'],
  coerce: ['coerce', 'dicom'],
  encode: ['encode', 'dicom'],
  stow: ['stow', 'dicom'],
  store: ['store'],
  audit: ['audit', 'store'],
};

/** Parts of the uploader: what each may use of the others. */
const UPLOADER_PARTS = {
  spool: ['spool'],
  arrival: ['arrival', 'spool'],
  outage: ['outage'],
  upload: ['upload', 'arrival', 'spool', 'outage'],
  marks: ['marks', 'upload'],
  status: ['status', 'upload', 'spool'],
  handover: ['handover', 'spool'],
};

const escape = (name) => name.replace(/[.+^$()|[\]\\]/g, '\\$&');

const vendorRules = Object.entries(VENDORS).map(([library, files]) => ({
  name: `vendor-${library}`,
  comment: `${library} is imported in one place, a wrapper (table in docs/architecture.md)`,
  severity: 'error',
  from: { path: SHIPPED, pathNot: files },
  to: { path: `(^|/)node_modules/(@types/)?${escape(library)}/` },
}));

const stepRules = Object.entries(STEPS).map(([step, allowed]) => ({
  name: `step-${step}`,
  comment: `core/${step} may use ${allowed.map((name) => `core/${name}`).join(', ')} and what all of core shares`,
  severity: 'error',
  from: { path: `^core/${step}/` },
  to: {
    path: '^core/',
    pathNot: `^core/((${allowed.join('|')}|config)/|(errors|concurrency|retry|logging|shared-database|property-list)\\.ts$)`,
  },
}));

const uploaderRules = Object.entries(UPLOADER_PARTS).map(([part, allowed]) => ({
  name: `uploader-${part}`,
  comment: `local-uploader/${part} may use ${allowed.map((name) => `local-uploader/${name}`).join(', ')}`,
  severity: 'error',
  from: { path: `^local-uploader/${part}/` },
  to: { path: '^local-uploader/', pathNot: `^local-uploader/(${allowed.join('|')})/` },
}));

module.exports = {
  forbidden: [
    {
      name: 'core-stands-alone',
      comment: 'core knows nothing of functions, machines or the command line',
      severity: 'error',
      from: { path: '^core/' },
      to: { path: '^(functions|local-uploader|local-cloud|cli|test|bench|scripts)/' },
    },
    {
      name: 'only-cli-wires',
      comment: 'functions, local-uploader and local-cloud import core and themselves; only cli brings them together',
      severity: 'error',
      from: { path: '^(functions|local-uploader|local-cloud)/' },
      to: { path: '^(functions|local-uploader|local-cloud|cli|test|bench|scripts)/', pathNot: '^$1/' },
    },
    {
      name: 'process-needs-no-cloud',
      comment: 'the work on one file has neither bucket nor archive',
      severity: 'error',
      from: { path: '^functions/process/' },
      to: { path: '^(core/(stow|store|audit)|functions)/', pathNot: '^functions/process/' },
    },
    {
      name: 'handing-over-loads-no-package',
      comment: 'what storescp starts is to be over before anything large is loaded',
      severity: 'error',
      from: { path: '^cli/leave-to-resident\\.ts$' },
      to: { path: '(^|/)node_modules/', reachable: true },
    },
    {
      name: 'cli-ships-no-tests',
      severity: 'error',
      from: { path: '^cli/' },
      to: { path: '^(test|bench|scripts)/' },
    },
    {
      name: 'shared-files-know-no-step',
      comment:
        'errors, configuration, concurrency, retry, logging, shared-database and property-list are used by every step and use none',
      severity: 'error',
      from: { path: '^core/(config/|(errors|concurrency|retry|logging|shared-database|property-list)\\.ts$)' },
      to: { path: '^core/(dicom|coerce|encode|stow|store|audit)/|^core/prepare-instance' },
    },
    ...stepRules,
    ...uploaderRules,
    ...vendorRules,
    {
      name: 'no-development-dependency',
      comment: 'what is shipped runs with `dependencies` alone (types excepted: they are gone by then)',
      severity: 'error',
      from: { path: SHIPPED },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-undeclared-package',
      severity: 'error',
      from: { path: SHIPPED },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'not-resolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'no-circle', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphan',
      comment: 'a file that nothing imports and that imports nothing is dead, or misplaced',
      severity: 'error',
      from: { path: SHIPPED, orphan: true, pathNot: '\\.d\\.ts$' },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|dist-functions|\\.sst)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
