/** The parts of the Lab's form: guest, slot, input, capabilities, and what is mostly left as it is. */
import { useEffect, useState } from 'preact/hooks';
import type { LabState } from './lab.tsx';
import { Field, type FieldsProps, Line, Lines } from './lab-fields.tsx';
import { capabilityWords, declared, limitFields, villains, withGuest } from './lab-request.ts';
import { byteCount } from './quantities.ts';
import type { Server } from './server.ts';
import { Failure, Loading } from './ui.tsx';

/** A sample guest as the server lists it. */
interface Guest {
  readonly name: string;
  readonly bytes: number;
  readonly about: string;
}
/** What is known of them. */
export type Guests = readonly Guest[] | 'loading' | Error;

/** The sample guests of this server. */
export function useGuests(server: Server): Guests {
  const [guests, setGuests] = useState<Guests>('loading');
  useEffect(() => {
    server.json<{ guests: readonly Guest[] }>('/guests').then(
      (answer) => setGuests(answer.guests),
      (error: Error) => setGuests(error),
    );
  }, [server]);
  return guests;
}

/** Files can't stand in a draft: they are kept beside it. */
interface FileProps {
  readonly form: LabState;
  readonly keep: (part: Partial<LabState>) => void;
}

export function GuestField({
  draft,
  errors,
  guests,
  form,
  keep,
}: FieldsProps & FileProps & { readonly guests: Guests }) {
  if (guests === 'loading') return <Loading what="Asking for the sample guests" />;
  const samples = guests instanceof Error ? [] : guests;
  const chosen = samples.find(({ name }) => name === draft.guest);
  const wrong = errors.find(({ field }) => field === 'job.module')?.message ?? '';
  const villain = villains[draft.guest];
  const hint = villain ? `⚠ villain: ${villain}. ${chosen?.about ?? ''}` : (chosen?.about ?? '');
  return (
    <>
      <Field label="guest" hint={hint} error={wrong}>
        {(tied) => (
          <select
            {...tied}
            value={draft.guest}
            onChange={(event) => keep({ draft: withGuest(form.draft, event.currentTarget.value) })}
          >
            {samples.map(({ name, bytes }) => (
              <option key={name} value={name}>
                {name in villains ? `⚠ ${name} (villain)` : name} · {byteCount(bytes)}
              </option>
            ))}
            <option value="">a .wasm file of my own …</option>
          </select>
        )}
      </Field>
      {draft.guest === '' || chosen === undefined ? (
        <Field label="module file" hint="WebAssembly, a WASI command">
          {(tied) => (
            <input
              {...tied}
              type="file"
              accept=".wasm,application/wasm"
              onChange={(event) =>
                keep({
                  moduleFile: event.currentTarget.files?.[0] ?? null,
                  draft: { ...form.draft, guest: '' },
                })
              }
            />
          )}
        </Field>
      ) : null}
      {guests instanceof Error ? (
        <Failure
          reason={`There are no sample guests: ${guests.message}.`}
          next="Choose a file of your own."
        />
      ) : null}
    </>
  );
}

export function SlotField({ profiles, ...fields }: FieldsProps & { readonly profiles: readonly string[] }) {
  const error = fields.errors.find(({ field }) => field === 'job.slot')?.message ?? '';
  return (
    <Field label="slot" hint="a profile of this fleet, or any other" error={error}>
      {(tied) => (
        <>
          <input
            {...tied}
            name="slot"
            list="lab-profiles"
            value={fields.draft.slot}
            onChange={(event) => fields.change({ slot: event.currentTarget.value.trim() })}
          />
          <datalist id="lab-profiles">
            {profiles.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

export function InputField({ form, keep, ...fields }: FieldsProps & FileProps) {
  return (
    <div>
      {form.inputFile ? null : <Lines {...fields} name="stdin" field="job.input" label="input (stdin)" />}
      <Field label={form.inputFile ? 'input (stdin)' : 'or a file as input'}>
        {(tied) => (
          <input
            {...tied}
            type="file"
            onChange={(event) => keep({ inputFile: event.currentTarget.files?.[0] ?? null })}
          />
        )}
      </Field>
      {form.inputFile ? (
        <button type="button" onClick={() => keep({ inputFile: null })}>
          Without {form.inputFile.name}
        </button>
      ) : null}
    </div>
  );
}

export function Capabilities({ draft, change, errors }: FieldsProps) {
  const toggle = (name: string, isOn: boolean): void => {
    const others = draft.capabilities.filter((each) => each !== name);
    change({ capabilities: isOn ? [...others, name] : others });
  };
  const wrong = errors.find(({ field }) => field.startsWith('job.capabilities'))?.message;
  return (
    <details class="lab-more" open={wrong !== undefined}>
      <summary>
        Capabilities: <small class="soft">{declared(draft).join(', ') || 'none'}</small>
      </summary>
      <fieldset class="lab-caps">
        <legend>What the guest may do, and nothing else</legend>
        {capabilityWords.map(([name, grants]) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={draft.capabilities.includes(name)}
              onChange={(event) => toggle(name, event.currentTarget.checked)}
            />
            <span>
              <code>{name}</code> <small class="soft">{grants}</small>
            </span>
          </label>
        ))}
        <label>
          <span>
            <code>env:</code>
          </span>
          <span>
            <input
              name="env"
              value={draft.env}
              aria-label="Names of the environment that the guest may read"
              onInput={(event) => change({ env: event.currentTarget.value })}
            />{' '}
            <small class="soft">names it may read; BERTH_ATTEMPT tells it which attempt this is</small>
          </span>
        </label>
        {wrong ? (
          <small class="bad" role="alert">
            ✕ {wrong}
          </small>
        ) : null}
      </fieldset>
    </details>
  );
}

export function More(fields: FieldsProps) {
  const { draft, errors } = fields;
  const isSet = [...limitFields.map(([name]) => draft[name]), draft.attempts, draft.labels, draft.key].some(
    (text) => text !== '',
  );
  return (
    <details class="lab-more" open={isSet || errors.length > 0}>
      <summary>Limits, attempts, labels, idempotency key</summary>
      <div class="lab-fields">
        {limitFields.map(([name, , label, usual]) => (
          <Line
            {...fields}
            key={name}
            name={name}
            field={`job.limits.${name}`}
            label={label}
            placeholder={usual}
          />
        ))}
        <Line {...fields} name="attempts" field="job.attempts.max" label="attempts" placeholder="1" />
        <Line
          {...fields}
          name="backoffMs"
          field="job.attempts.backoffMs"
          label="pause between, ms"
          placeholder="1000"
        />
        <Line
          {...fields}
          name="priority"
          field="job.priority"
          label="priority"
          hint="recorded; no policy reads it yet"
          placeholder="0"
        />
        <Line
          {...fields}
          name="key"
          field="idempotencyKey"
          label="idempotency key"
          hint="the same key is the same job"
        />
        <Lines {...fields} name="labels" field="job.labels" label="labels" hint="name=value, one a line" />
      </div>
    </details>
  );
}
