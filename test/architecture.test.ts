/**
 * The import table of ARCHITECTURE.md and the invariants about what is absent, as data.
 *
 * Why a test and not a review: each of these laws is broken by one innocent line, and nothing else would notice. Why
 * a scanner of our own: TypeScript 7 has no compiler API, and the import checkers built on the old one look at zero
 * files and report success. So every law here first finds a violation planted in a file that does not exist, and the
 * scanner first proves that it saw files.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { suite } from './suite.ts';

/** A path is in a list when it is an entry, or lies under an entry that ends in `/`, or matches an expression. */
type Paths = readonly (string | RegExp)[];

/** Runs in the browser as well as here: no Node module, no clock, no adapter. */
const core: Paths = [
  // Those two draw, before the page is there.
  /^machines\/(?!(draw|layout)\.ts)/,
  'src/errors.ts',
  'src/events/',
  'src/scheduler/',
  'src/slots/',
  'src/jobs/',
  'src/tenants/',
  'src/attestation/wasm-module.ts',
  'src/attestation/capabilities.ts',
  'src/log/chain.ts',
  'src/log/replay.ts',
];
const corePackages: Paths = ['xstate', 'zod'];
/** What the core is handed from outside; it may name their types, never load their code. */
const ports: Paths = ['src/clock.ts', 'src/log/log.ts', 'src/log/disk.ts', 'src/executor/backend.ts'];
/** A process of its own, beside the guest: it needs real time and is not replayed. */
const runner: Paths = ['src/executor/runner.ts', 'src/executor/keeper.ts'];
/** The rim: where bytes, sockets, processes and GPUs are touched. */
const adapters: Paths = [
  'src/log/memory.ts',
  'src/log/file.ts',
  'src/log/open.ts',
  'src/log/node-disk.ts',
  'src/intake/http.ts',
  'src/executor/pool.ts',
  'src/intake/nats.ts',
  'src/views/nats.ts',
];
/** Names of drafts that no other process may hit: they are renamed away, and no fact ever holds one. */
const draftNames: Paths = ['src/blobs/draft.ts', 'src/log/lock.ts'];
/** The only places that choose adapters; the whole wiring can be read there. */
const compositionRoots: Paths = [
  'src/main.ts',
  'src/bus.ts',
  'src/log-on-disk.ts',
  'src/cli/',
  'src/simulate/process.ts',
  'src/dashboard/main.tsx',
  'src/demo/judge-main.ts',
];

/** Who may import what. `from` may load only `only`; or: `target` may be loaded only by `by`. */
const importLaws: readonly ImportLaw[] = [
  {
    law: 'the core loads only the core, xstate and zod',
    why: 'it runs in a browser and replays without I/O; ports may be named by `import type` alone',
    from: core,
    only: [...core, ...corePackages],
    onlyAsType: ports,
    planted: { path: 'src/events/planted.ts', text: "import { readFile } from 'node:fs/promises';" },
  },
  {
    law: 'adapters are loaded by composition roots alone',
    why: 'whatever loads an adapter itself can be neither simulated nor tested without it',
    target: adapters,
    // `open.ts` is an adapter itself: the file log, begun from a checkpoint.
    by: [...compositionRoots, 'src/log/open.ts'],
    planted: { path: 'src/jobs/planted.ts', text: "import { FileLog } from '../log/file.ts';" },
  },
  {
    law: "NATS's client is loaded only in files named nats.ts",
    why: 'NATS is one door among others, and the log does not depend on it',
    target: ['nats', /^@nats-io\//, 'src/nats.ts'],
    by: [/(^|\/)nats\.ts$/],
    planted: { path: 'src/intake/planted.ts', text: "import { connect } from 'nats';" },
  },
  {
    law: 'xstate is loaded only in machines/',
    why: 'the rest folds the compiled table; an upgrade of XState must touch one folder',
    target: ['xstate', /^xstate\//],
    by: ['machines/'],
    planted: { path: 'src/jobs/planted.ts', text: "const { createActor } = await import('xstate');" },
  },
  {
    law: 'the layout is computed only where charts are drawn',
    why: 'elkjs is a development dependency: the page and the command line get coordinates',
    target: [/^elkjs(\/|$)/, 'machines/layout.ts'],
    by: ['machines/draw.ts', 'machines/layout.ts'],
    planted: { path: 'src/dashboard/planted.ts', text: "import elk from 'elkjs/lib/elk.bundled.js';" },
  },
];

/** Words that may stand only in some files of src/ and machines/. */
const wordLaws: readonly WordLaw[] = [
  {
    law: 'WebAssembly is instantiated only by the runner',
    why: 'one file to audit for what a guest is given; a guest in the controller could stop it',
    words: /\bWebAssembly\.(Module|Instance|instantiate\w*|compile\w*)\b/,
    only: ['src/executor/runner.ts'],
    planted: 'const guest = new WebAssembly.Module(bytes);',
  },
  {
    law: 'the environment is read only by config and the command line',
    why: 'settings are checked once, with bounds, and handed on; a leaf that reads them can be set by no test',
    words: /\bprocess\.env\b/,
    only: ['src/config.ts', 'src/cli/'],
    planted: 'const lease = process.env.LEASE_MS;',
  },
  {
    law: 'time and randomness come in as arguments',
    why: 'what reads a clock or draws a number by itself can be neither replayed nor simulated',
    words:
      /\b(Date\.now|performance\.now|setTimeout|setInterval|Math\.random|randomUUID|randomBytes|getRandomValues)\b|\bnew Date\(\)/,
    only: ['src/clock.ts', ...runner, 'src/cli/', 'src/dashboard/', ...adapters, ...draftNames],
    planted: 'const at = Date.now();',
  },
];

const linesMax = 350;
const foldersBanned = ['utils', 'common', 'shared', 'helpers'];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const code = [...sourcesUnder('src'), ...sourcesUnder('machines')];
const tests = sourcesUnder('test').filter(({ path }) => path.endsWith('.test.ts'));

const t = suite('architecture');

t('the scanner sees the sources, the tests and the imports in them', () => {
  for (const folder of ['src/', 'machines/']) {
    assert.ok(code.filter(({ path }) => path.startsWith(folder)).length > 3, `few files in ${folder}`);
  }
  assert.ok(tests.some(({ path }) => path === 'test/architecture.test.ts'));
  assert.ok(code.flatMap((each) => importsOf(each)).length > 10, 'few imports');
});

t('the scanner reads every form of import, and neither comments nor types as code', () => {
  const text = [
    "import a, { type B } from './a.ts';",
    "export * from './b.ts'; // import './no.ts';",
    "import './c.ts';",
    "const d = await import('./d.ts'); /* from './no.ts' */",
    "import type { E } from './e.ts';",
    "import {\n  type F,\n  type G,\n} from 'f';",
  ].join('\n');
  assert.equal(importsOf({ path: 'src/x/y.ts', text }), [
    { target: 'src/x/a.ts', asType: false, line: 1 },
    { target: 'src/x/b.ts', asType: false, line: 2 },
    { target: 'src/x/c.ts', asType: false, line: 3 },
    { target: 'src/x/d.ts', asType: false, line: 4 },
    { target: 'src/x/e.ts', asType: true, line: 5 },
    { target: 'f', asType: true, line: 6 },
  ]);
});

for (const law of importLaws) {
  t(law.law, () => {
    assert.is(breachesOfImport(law, law.planted).length, 1, 'the planted violation is not found');
    none(
      code.flatMap((source) => breachesOfImport(law, source)),
      law.why,
    );
  });
}

for (const law of wordLaws) {
  t(law.law, () => {
    const planted = {
      path: 'src/jobs/planted.ts',
      text: `/** A comment. */\n${law.planted}\n// ${law.planted}`,
    };
    assert.equal(breachesOfWords(law, planted).length, 1, 'the planted violation is not found');
    none(
      code.flatMap((source) => breachesOfWords(law, source)),
      law.why,
    );
  });
}

t('src has no index files', () => {
  const found = code.filter(({ path }) => /\/index\.[cm]?[jt]s$/.test(path)).map(({ path }) => path);
  none(found, 'an import names the file where a thing lives, so a reader gets there in one step');
});

t(`no folder is called ${foldersBanned.join(', ')}`, () => {
  const banned = (path: string) =>
    dirname(path)
      .split('/')
      .some((part) => foldersBanned.includes(part));
  assert.ok(banned('src/utils/planted.ts'));
  const found = [...code, ...sourcesUnder('test')].map(({ path }) => path).filter(banned);
  none(found, 'such a folder has no subject, so everything ends up there');
});

t(`files in src and machines have at most ${linesMax} lines`, () => {
  const length = ({ text }: Source) => text.trimEnd().split('\n').length;
  const found = code.filter((source) => length(source) > linesMax);
  none(
    found.map((source) => `${source.path}: ${length(source)}`),
    'one idea a file; a longer one holds two',
  );
});

t('every test file ends with run()', () => {
  // A conformance suite for a port is one call, which runs what it declares.
  const ends = (text: string) =>
    /^\w+\.run\(\);$/.test(text.trimEnd().split('\n').at(-1) ?? '') || /^\w+Conformance\(/m.test(text);
  assert.ok(ends('t.run();\n') && !ends('t.run();\nconst more = 1;\n'));
  const found = tests.filter(({ text }) => !ends(text)).map(({ path }) => path);
  none(found, 'a suite that is not run tests nothing');
});

t('tests use the suite of test/suite.ts, not bare uvu', () => {
  const bare = (source: Source) => importsOf(source).some(({ target }) => target === 'uvu');
  assert.ok(bare({ path: 'test/planted.test.ts', text: "import { test } from 'uvu';" }));
  none(
    tests.filter(bare).map(({ path }) => path),
    'uvu alone passes in silence (test/suite.test.ts)',
  );
});

t('every folder has a README', () => {
  const folders = [
    'machines',
    'wasm',
    'src',
    'test',
    'test/log',
    'test/machines',
    'test/properties',
    ...foldersIn('src'),
  ];
  assert.ok(folders.length > 3);
  const found = folders.filter((folder) => !existsSync(join(root, folder, 'README.md')));
  none(found, 'it says what the folder is, why the pattern exists and what must always hold');
});

t('every test that a comment names is there', () => {
  const named = (text: string) => [...text.matchAll(/`(test\/[\w./-]+)`/g)].map((match) => match[1] ?? '');
  assert.equal(named('/** Test: `test/planted.test.ts`, and `test/x/`. */'), [
    'test/planted.test.ts',
    'test/x/',
  ]);
  const all = code.flatMap(({ path, text }) => named(text).map((test) => ({ path, test })));
  assert.ok(all.length > 50, `only ${all.length} tests are named`);
  const found = all.filter(({ test }) => !existsSync(join(root, test)));
  none(
    found.map(({ path, test }) => `${path}: ${test}`),
    'a reader who doubts a sentence is sent to the test that holds it',
  );
});

t('every dependency is pinned to one version', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const pins = Object.entries({ ...dependencies, ...devDependencies } as Record<string, string>);
  assert.ok(pins.length > 3);
  const found = pins.filter(([, version]) => !/^\d+\.\d+\.\d+[\w.-]*$/.test(version)).map(([name]) => name);
  none(found, 'a compiled table is only known to equal the XState it was tested against');
});

t('the lock file holds the packages of other platforms too', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
  const asked = Object.values(packages).flatMap((each) => Object.keys(each.optionalDependencies ?? {}));
  assert.ok(asked.length > 10);
  const found = asked.filter(
    (name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)),
  );
  none([...new Set(found)], 'npm ci refuses a lock file with gaps, on every platform');
});

interface Lock {
  readonly packages: Record<string, { readonly optionalDependencies?: Record<string, string> }>;
}
interface Source {
  readonly path: string;
  readonly text: string;
}
interface Import {
  /** A path from the root for a file, else the name as written. */
  readonly target: string;
  readonly asType: boolean;
  readonly line: number;
}
interface ImportLaw {
  readonly law: string;
  readonly why: string;
  readonly planted: Source;
  readonly from?: Paths;
  readonly only?: Paths;
  readonly onlyAsType?: Paths;
  readonly target?: Paths;
  readonly by?: Paths;
}
interface WordLaw {
  readonly law: string;
  readonly why: string;
  readonly words: RegExp;
  readonly only: Paths;
  readonly planted: string;
}

function breachesOfImport(law: ImportLaw, source: Source): string[] {
  const applies = law.from ? isIn(law.from, source.path) : !isIn(law.by ?? [], source.path);
  if (!applies) return [];
  const broken = importsOf(source).filter(({ target, asType }) => {
    if (law.target) return !asType && isIn(law.target, target);
    return !isIn(law.only ?? [], target) && !(asType && isIn(law.onlyAsType ?? [], target));
  });
  return broken.map(({ target, line }) => `${source.path}:${line} ${target}`);
}

function breachesOfWords(law: WordLaw, source: Source): string[] {
  if (isIn(law.only, source.path)) return [];
  const raw = source.text.split('\n');
  const lines = withoutComments(source.text, 'strings too').split('\n');
  return lines.flatMap((line, at) =>
    law.words.test(line) ? [`${source.path}:${at + 1} ${raw[at]?.trim()}`] : [],
  );
}

function importsOf(source: Source): Import[] {
  const text = withoutComments(source.text);
  const forms =
    /^(?:import|export)\s+(type\s)?([\w\s{},*$]*?)\bfrom\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  return [...text.matchAll(forms)].map((match) => {
    const [, typeWord, names = '', from, bare, dynamic] = match;
    const target = from ?? bare ?? dynamic ?? '';
    const named = /^\s*\{([^}]*)\}\s*$/
      .exec(names)?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '');
    const asType = typeWord !== undefined || (named?.every((name) => /^\s*type\s/.test(name)) ?? false);
    const resolved = target.startsWith('.') ? posix.join(posix.dirname(source.path), target) : target;
    return { target: resolved, asType, line: text.slice(0, match.index).split('\n').length };
  });
}

/** Blanks comments, and on request quoted strings, but keeps line numbers. Template strings hold code and stay. */
function withoutComments(text: string, strings?: 'strings too'): string {
  const parts = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return text.replaceAll(parts, (part) => {
    const blank = part.startsWith('/') || (strings !== undefined && !part.startsWith('`'));
    return blank ? part.replaceAll(/[^\n]/g, ' ') : part;
  });
}

function isIn(list: Paths, path: string): boolean {
  return list.some((entry) => {
    if (entry instanceof RegExp) return entry.test(path);
    return entry.endsWith('/') ? path.startsWith(entry) : path === entry;
  });
}

function sourcesUnder(folder: string): Source[] {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  const paths = entries.map((entry) => posix.join(folder, entry.replaceAll('\\', '/')));
  return paths
    .filter((path) => /\.[cm]?[jt]sx?$/.test(path) && !path.includes('node_modules'))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** Folders that hold a file; git does not keep empty ones. */
function foldersIn(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => posix.join(folder, name));
  return folders.filter((path) => readdirSync(join(root, path)).length > 0);
}

function none(found: readonly string[], why: string): void {
  assert.ok(found.length === 0, `${found.join('\n    ')}\n    why not: ${why}`);
}

t.run();
