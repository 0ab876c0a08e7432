/** References within a JSON document that lead nowhere, each with the place where it stands. */
export function danglingRefs(document: unknown): string[] {
  const dangling: string[] = [];
  const visit = (value: unknown, place: string): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, member] of Object.entries(value)) {
      if (key === '$ref' && typeof member === 'string' && !leads(document, member))
        dangling.push(`${place}: ${member}`);
      visit(member, `${place}/${key}`);
    }
  };
  visit(document, '#');
  return dangling;
}

function leads(document: unknown, ref: string): boolean {
  if (!ref.startsWith('#/')) return false;
  let value: unknown = document;
  for (const step of ref.slice(2).split('/')) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string, unknown>)[key];
  }
  return true;
}
