/** Tenants: what each is entitled to, uses now, and is owed; and the keys that speak for it. */
import { Bar } from './bar.tsx';
import { count } from './quantities.ts';
import { type TenantLook, tenantLooks } from './tenant-look.ts';
import { type TenantShare, tenantShares } from './tenant-shares.ts';
import { Empty, Go, Panel, useModel, type ViewProps } from './ui.tsx';

export function TenantsView({ model }: ViewProps) {
  useModel(model);
  const { state, views } = model.moment;
  if (state.tenants.size === 0)
    return (
      <Panel title="Tenants">
        <Empty>
          {model.source.kind === 'loading'
            ? 'The log is being read.'
            : 'No tenants yet. Add one with: berth tenant add NAME'}
        </Empty>
      </Panel>
    );
  const looks = tenantLooks(state.tenants.keys());
  const { policy } = views.scheduler.sight;
  return (
    <>
      <p class="soft lead">
        {policy.name.startsWith('round-robin')
          ? `Policy ${policy.name}: tenants that wait take turns, as many as their weight. Owed: turns by which one is behind the tenant furthest ahead; who is owed most goes next, and one that does not wait is owed nothing.`
          : `Policy ${policy.name}: first come, first served. Nobody is owed a turn, and weights do not count.`}
      </p>
      {tenantShares(views, model.seesAll).map((tenant) => (
        <TenantPanel key={tenant.name} model={model} tenant={tenant} look={looks.get(tenant.name)} />
      ))}
    </>
  );
}

function TenantPanel({
  model,
  tenant,
  look,
}: ViewProps & { readonly tenant: TenantShare; readonly look: TenantLook | undefined }) {
  const { name, terms, usage, entitled, held, queued, owed } = tenant;
  return (
    <section class="panel tenant" aria-label={name}>
      <header>
        <h2>
          <span class={`sign ${look?.class ?? ''}`} aria-hidden="true">
            {look?.sign}
          </span>{' '}
          {name}
        </h2>
        <span class="badge" title={unsignedTitle(terms.unsigned)}>
          {terms.unsigned ? 'unsigned requests allowed' : 'signed requests only'}
        </span>
      </header>
      <div class="shares">
        <dl class="figures">
          <dt>Entitled</dt>
          <dd>
            weight {count(terms.weight)}
            {entitled === null
              ? '; which share of the turns that is, only the operator sees'
              : `: ${percent(entitled)} of the turns while all tenants wait`}
          </dd>
          <dt>Used now</dt>
          <dd>{usedWords(usage.slices, held)}</dd>
          <dt>Owed</dt>
          <dd>
            {model.seesAll ? owedWords(owed, queued) : 'only the operator sees that: it depends on others'}
          </dd>
        </dl>
        <div class="bars">
          <Bar name="Slices held" value={usage.slices} max={terms.slicesMax} />
          <Bar name="Jobs with slots" value={usage.jobs} max={terms.jobsMax} />
          <Bar name="Jobs waiting" value={usage.waiting} max={terms.queuedMax} />
        </div>
      </div>
      <Keys model={model} tenant={tenant} />
      <p class="soft">
        May use: <code>{terms.capabilities.join(' ') || 'nothing'}</code>
      </p>
    </section>
  );
}

function usedWords(slices: number, held: number | null): string {
  if (slices === 0) return 'no slices';
  return held === null ? `${count(slices)} slices` : `${percent(held)} of the slices that are held`;
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

const unsignedTitle = (unsigned: boolean): string =>
  unsigned
    ? 'A bearer token is enough to submit a job.'
    : 'Each job must be signed with one of the keys below.';

function owedWords(owed: number | null, queued: number): string {
  if (queued === 0) return 'nothing: it does not wait in the queue';
  if (owed === null) return 'nothing: this policy counts no turns';
  return owed === 0 ? 'nothing: it has had its turns' : `${count(owed)} turn${owed === 1 ? '' : 's'}`;
}

function Keys({ model, tenant: { name, keys } }: ViewProps & { readonly tenant: TenantShare }) {
  if (keys.length === 0)
    return (
      <Empty>
        No keys: nothing signed by {name} is accepted. Add one with: berth tenant key add {name} KEY.jwk
      </Empty>
    );
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Key</th>
          <th scope="col">State</th>
          <th scope="col">Added</th>
          <th scope="col">Revoked</th>
        </tr>
      </thead>
      <tbody>
        {keys.map(({ kid, addedAtSeq, revokedAtSeq }) => (
          <tr key={kid}>
            <td>
              <code title={kid}>{kid.slice(0, 16)}…</code>
            </td>
            <td>
              {revokedAtSeq === null ? (
                <span class="tag good">✓ good</span>
              ) : (
                <span class="tag bad">✕ revoked</span>
              )}
            </td>
            <td>
              <AtSeq model={model} seq={addedAtSeq} />
            </td>
            <td>{revokedAtSeq === null ? '' : <AtSeq model={model} seq={revokedAtSeq} />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const AtSeq = ({ model, seq }: ViewProps & { readonly seq: number }) => (
  <Go model={model} to={{ view: 'tenants', at: seq }} title={`Go to seq ${seq}`}>
    seq {count(seq)}
  </Go>
);
