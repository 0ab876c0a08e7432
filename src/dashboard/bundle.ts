/**
 * Makes the page: one HTML file with its script and style inside, and on request a log.
 *
 * Why bundled when first asked for and not beforehand: there is no build step that can be forgotten, the page is always of
 * the sources beside it, and a controller that nobody looks at pays nothing.
 *
 * Why one file: the live page and a recorded one are then the same thing, and a browser that is forbidden to fetch
 * anything (the policy below) proves that nothing is fetched. Test: `test/dashboard/bundle.test.ts`.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';
import { recordedId } from './recorded.ts';

export interface Page {
  readonly html: string;
  /** Content-Security-Policy to send along. */
  readonly policy: string;
  /** Strong tag of the content, with its quotes. */
  readonly etag: string;
}

/** A log to be put into the page. */
export interface Recording {
  readonly name: string;
  readonly records: number;
  /** Gzip of the log's lines. */
  readonly gzip: Uint8Array;
}

interface Parts {
  readonly script: string;
  readonly style: string;
}

let parts: Promise<Parts> | null = null;
let live: Promise<Page> | null = null;

/** The page of a server, made once. Rejects when it can't be bundled; the next request then tries anew. */
export function dashboardPage(): Promise<Page> {
  live ??= pageWith(null).catch((error: unknown) => {
    live = null;
    throw error;
  });
  return live;
}

/** The page with a log inside: it needs no server and may not speak to any. Rejects when it can't be bundled. */
export const recordingPage = (recording: Recording): Promise<Page> => pageWith(recording);

async function pageWith(recording: Recording | null): Promise<Page> {
  parts ??= bundled().catch((error: unknown) => {
    parts = null;
    throw error;
  });
  const { script, style } = await parts;
  const policy = [
    "default-src 'none'",
    `script-src '${digestOf(script)}'`,
    `style-src '${digestOf(style)}'`,
    'img-src data:',
    recording ? "connect-src 'none'" : "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const html = [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    // A file has no headers: the policy must stand in the page.
    recording ? `<meta http-equiv="Content-Security-Policy" content="${policy}">` : '',
    '<link rel="icon" href="data:,">',
    `<title>Berth${recording ? `: ${escaped(recording.name)}` : ''}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    '<div id="page"><noscript>This page needs JavaScript; <code>berth --help</code> does without.</noscript></div>',
    recording ? recordedElement(recording) : '',
    `<script type="module">${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
  const etag = `"${createHash('sha256').update(html).digest('base64url').slice(0, 22)}"`;
  return { html, policy: `${policy}; frame-ancestors 'none'`, etag };
}

async function bundled(): Promise<Parts> {
  const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [here('main.tsx'), here('page.css')],
    bundle: true,
    minify: true,
    write: false,
    outdir: 'page',
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    // The console of whoever looks at the page is theirs.
    logLevel: 'silent',
    // `</script>` in a string would end the element.
    supported: { 'inline-script': true },
  });
  // Its process would stay for as long as the controller, with more memory than all that it made.
  await stop();
  const textOf = (end: string): string => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? '';
  return { script: textOf('main.js'), style: textOf('page.css') };
}

const digestOf = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

function recordedElement({ name, records, gzip }: Recording): string {
  const attributes = `id="${recordedId}" type="text/plain" data-name="${escaped(name)}" data-records="${records}"`;
  return `<script ${attributes}>${Buffer.from(gzip).toString('base64')}</script>`;
}
