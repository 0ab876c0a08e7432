/** What is looked for among the jobs: words, groups of states, tenant, reason, order. */
import { type Group, groups } from './census.ts';
import { everything, type Found, type Wanted } from './job-filter.ts';
import { count } from './quantities.ts';

interface JobFiltersProps {
  readonly wanted: Wanted;
  readonly found: Found;
  readonly want: (change: Partial<Wanted>) => void;
}

export function JobFilters({ wanted, found, want }: JobFiltersProps) {
  const flip = (group: Group): void =>
    want({
      groups: wanted.groups.includes(group)
        ? wanted.groups.filter((each) => each !== group)
        : [...wanted.groups, group],
    });
  const isAny = wanted === everything || isEverything(wanted);
  return (
    <search class="filters">
      <input
        type="search"
        data-key="search"
        aria-label="Search jobs by id, tenant, name, label or reason"
        placeholder="Search id, tenant, label, reason  ( / )"
        value={wanted.text}
        onInput={(event) => want({ text: event.currentTarget.value })}
      />
      <fieldset class="groups">
        <legend class="hidden">States</legend>
        {groups.map((group) => (
          <button
            key={group}
            type="button"
            class={`tone-${group}`}
            aria-pressed={wanted.groups.includes(group)}
            onClick={() => flip(group)}
          >
            {group} {count(found.groups[group])}
          </button>
        ))}
      </fieldset>
      <Choice
        label="Tenant"
        every="all tenants"
        value={wanted.tenant}
        counts={found.tenants}
        onChange={(tenant) => want({ tenant })}
      />
      <Choice
        label="Reason or cause"
        every="all reasons"
        value={wanted.code}
        counts={found.codes}
        onChange={(code) => want({ code })}
      />
      <select
        aria-label="Order"
        value={wanted.newestFirst ? 'newest' : 'oldest'}
        onChange={(event) => want({ newestFirst: event.currentTarget.value === 'newest' })}
      >
        <option value="newest">newest first</option>
        <option value="oldest">oldest first</option>
      </select>
      {isAny ? null : (
        <button type="button" onClick={() => want({ ...everything, newestFirst: wanted.newestFirst })}>
          Show all
        </button>
      )}
    </search>
  );
}

const isEverything = ({ text, groups: chosen, tenant, code }: Wanted): boolean =>
  text === '' && chosen.length === 0 && tenant === null && code === null;

function Choice({
  label,
  every,
  value,
  counts,
  onChange,
}: {
  readonly label: string;
  readonly every: string;
  readonly value: string | null;
  readonly counts: ReadonlyMap<string, number>;
  readonly onChange: (value: string | null) => void;
}) {
  const names = [...new Set([...counts.keys(), ...(value === null ? [] : [value])])].sort();
  return (
    <select
      aria-label={label}
      value={value ?? ''}
      onChange={(event) => onChange(event.currentTarget.value === '' ? null : event.currentTarget.value)}
    >
      <option value="">{every}</option>
      {names.map((name) => (
        <option key={name} value={name}>
          {name} ({count(counts.get(name) ?? 0)})
        </option>
      ))}
    </select>
  );
}
