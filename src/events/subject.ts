/**
 * Subjects: dotted names as in NATS, `job.<tenant>.<id>.<fact>`, with `*` for one token and `>` for the rest.
 *
 * Why subjects and not tables: one ordered log can be read as many streams, and who may read what
 * is a pattern. Tokens never contain `.`, `*` or `>`, so a name can't smuggle in a wildcard.
 * Test: `test/events/subject.test.ts`.
 */

/** What may stand between two dots: letters, digits, `-` and `_`, at most 64. */
export const tokenPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** The stream of a subject: all but its last token. */
export function streamOf(subject: string): string {
  return subject.slice(0, subject.lastIndexOf('.'));
}

/** The tenant whose business a subject is, or null for facts of the controller and its slots. */
export function tenantOf(subject: string): string | null {
  const [kind, tenant] = subject.split('.', 2);
  return kind === 'job' || kind === 'tenant' || kind === 'intake' ? (tenant ?? null) : null;
}

/**
 * Compiles a pattern with `*` and `>` into a test on subjects.
 * `>` stands for one token or more and only at the end. Returns null when the pattern is malformed.
 */
export function subjectMatcher(pattern: string): ((subject: string) => boolean) | null {
  if (pattern.length > 256) return null;
  const tokens = pattern.split('.');
  const tail = tokens.at(-1) === '>';
  const fixed = tail ? tokens.slice(0, -1) : tokens;
  if (!fixed.every((token) => token === '*' || tokenPattern.test(token))) return null;
  return (subject) => {
    const parts = subject.split('.');
    if (tail ? parts.length <= fixed.length : parts.length !== fixed.length) return false;
    return fixed.every((token, i) => token === '*' || token === parts[i]);
  };
}
