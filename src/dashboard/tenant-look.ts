/**
 * What a tenant looks like in every picture: a sign, and a colour with a pattern of its own.
 *
 * Why a sign as well: one in twelve men can't tell some of the colours apart, and a printed page has none.
 */

const signs = ['●', '▲', '■', '◆', '★', '✚', '⬢', '◗'] as const;

export interface TenantLook {
  readonly sign: string;
  /** Class that sets its colour and pattern, `look-0` to `look-7`: `fleet.css`. */
  readonly class: string;
}

/** Looks by tenant, in the order of registration, so that a tenant keeps its look for ever; from the ninth on they come again. */
export function tenantLooks(tenants: Iterable<string>): ReadonlyMap<string, TenantLook> {
  return new Map(
    [...tenants].map((name, i) => [
      name,
      { sign: signs[i % signs.length]!, class: `look-${i % signs.length}` },
    ]),
  );
}
