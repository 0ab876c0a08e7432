/**
 * Facts for the eye: the columns of every list of facts, and one short sentence for each.
 *
 * Why a sentence from the data and not from a table of texts: a fact that is added later shows its members
 * without anyone remembering to describe it here. Test: `test/cli/job.test.ts`.
 */
import type { FactView } from '../views/log-view.ts';
import { type Column, instantText } from './output.ts';

/** What a fact needs to have to be listed; an exported record has more. */
export type ListedFact = Pick<
  FactView,
  'seq' | 'at' | 'type' | 'author' | 'subject' | 'version' | 'data' | 'cause'
>;

/** Columns of a list of facts of the whole log. */
export const logColumns: readonly Column<ListedFact>[] = [
  { name: 'seq', value: ({ seq }) => String(seq), right: true },
  { name: 'at', value: ({ at }) => instantText(at) },
  { name: 'subject', value: ({ subject }) => subject },
  { name: 'author', value: ({ author }) => author, wide: true },
  { name: 'cause', value: ({ cause }) => (cause === null ? '' : String(cause)), wide: true, right: true },
  { name: 'what', value: factSentence },
];

/** Columns of the history of one job; `startMs` is when it was submitted. */
export function historyColumns(startMs: number): readonly Column<ListedFact>[] {
  return [
    { name: 'seq', value: ({ seq }) => String(seq), right: true },
    { name: 'at', value: ({ at }) => instantText(at), wide: true },
    { name: 'after ms', value: ({ at }) => String(at - startMs), right: true },
    { name: 'fact', value: ({ type }) => type.slice(type.indexOf('.') + 1) },
    { name: 'author', value: ({ author }) => author },
    { name: 'what', value: factSentence },
  ];
}

/** Members that are long, or that the columns show already. */
const left: ReadonlySet<string> = new Set([
  'request',
  'report',
  'spec',
  'imports',
  'jti',
  'kid',
  'tenant',
  'jobDigest',
  'terms',
]);
const sentenceCharsMax = 100;

/** `slots gpu0 1g.10gb@0, deadlineMs 5000`: what the fact says beside its name. */
export function factSentence({ data }: Pick<ListedFact, 'data'>): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(data)) {
    if (left.has(name) || value === null) continue;
    parts.push(`${name} ${valueText(value)}`);
  }
  const sentence = parts.join(', ');
  return sentence.length > sentenceCharsMax ? `${sentence.slice(0, sentenceCharsMax - 1)}…` : sentence;
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(' ') || 'none';
  if (typeof value !== 'object' || value === null) return String(value);
  if ('gpu' in value && 'profile' in value && 'start' in value)
    return `${value.gpu} ${value.profile}@${value.start}`;
  if ('code' in value && 'message' in value) return `${value.code}: ${value.message}`;
  if ('bytes' in value && 'sha256' in value)
    return `${value.bytes} bytes ${String(value.sha256).slice(0, 12)}`;
  if ('kid' in value) return String(value.kid);
  return JSON.stringify(value);
}
