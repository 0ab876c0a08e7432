/** Headers that proxies add. */
const proxied = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'] as const;

/**
 * Does the page of this very server ask?
 *
 * Why three headers: another site's page may send requests here, too. `Host` unmasks one whose name was made to resolve to
 * this machine, `Sec-Fetch-Site` and `Origin` all others, pages of other ports included; what sends none of them is no
 * browser. What a proxy passed on comes from anywhere, whatever else it says. Test:
 * `test/intake/routes-page.test.ts`, `test/observe/inspector.test.ts`.
 */
export function isOwnPage(header: (name: string) => string | null): boolean {
  if (proxied.some((name) => header(name) !== null)) return false;
  const host = header('host') ?? '';
  const isOwnName = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i.test(host);
  const site = header('sec-fetch-site');
  const origin = header('origin');
  return (
    isOwnName && (site === null || site === 'same-origin') && (origin === null || origin === `http://${host}`)
  );
}
