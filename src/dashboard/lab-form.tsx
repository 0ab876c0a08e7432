/** The Lab's form: a job from guest to idempotency key, checked beside its fields, sent as a tenant. */
import { useState } from 'preact/hooks';
import { CommandLine } from './copy.tsx';
import type { LabProps, LabState } from './lab.tsx';
import { LabAnswer } from './lab-answer.tsx';
import { Field, type FieldsProps, Line, Lines } from './lab-fields.tsx';
import { Capabilities, GuestField, InputField, More, SlotField, useGuests } from './lab-parts.tsx';
import { commandOf } from './lab-request.ts';
import { type Answer, checks, type Parcel, sends } from './lab-send.ts';
import { profilesOf } from './lab-sight.ts';
import { Panel } from './ui.tsx';

/** What is being sent; null when nothing is. */
type Busy = { readonly what: 'check' | 'submit'; readonly sent: number } | null;

export function LabForm({ model, server, desk, tenants }: LabProps) {
  const guests = useGuests(server);
  const [form, setForm] = useState(desk.form);
  const [busy, setBusy] = useState<Busy>(null);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const { state } = model.moment;
  const profiles = profilesOf(state);
  const draft = { ...form.draft, slot: form.draft.slot || (profiles[0] ?? '') };
  const keep = (part: Partial<LabState>): void => {
    desk.form = { ...desk.form, ...part };
    setForm(desk.form);
  };
  const errors = answer?.kind === 'refused' ? answer.fields : [];
  const fields: FieldsProps = {
    draft,
    errors,
    change: (part) => keep({ draft: { ...desk.form.draft, ...part } }),
  };
  const unsigned = state.tenants.get(draft.tenant)?.terms.unsigned ?? false;
  const act = async (what: 'check' | 'submit'): Promise<void> => {
    setBusy({ what, sent: 0 });
    setAnswer(null);
    try {
      const parcel: Parcel = { draft, unsigned, state, ...(await filesOf(form)) };
      const onSent = (sent: number): void => setBusy({ what, sent });
      setAnswer(await (what === 'check' ? checks(server, parcel) : sends(server, parcel, onSent)));
    } finally {
      setBusy(null);
    }
  };
  return (
    <Panel title="Submit a job">
      <form
        class="lab-form"
        onSubmit={(event) => {
          event.preventDefault();
          void act('submit');
        }}
      >
        <div class="lab-fields">
          <GuestField {...fields} guests={guests} form={form} keep={keep} />
          <Field label="as tenant" hint={unsigned ? 'may send unsigned requests' : 'signed with its key'}>
            {(tied) => (
              <select
                {...tied}
                value={draft.tenant}
                onChange={(event) => fields.change({ tenant: event.currentTarget.value })}
              >
                {tenants.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            )}
          </Field>
          <Line {...fields} name="copies" field="copies" label="copies" />
        </div>
        <div class="lab-fields">
          <SlotField {...fields} profiles={profiles} />
          <Line
            {...fields}
            name="gpus"
            field="job.gpus"
            label="GPUs"
            hint="one slot on each"
            placeholder="1"
          />
          <Lines {...fields} name="args" field="job.args" label="arguments" hint="one a line" />
          <InputField {...fields} form={form} keep={keep} />
        </div>
        <Capabilities {...fields} />
        <More {...fields} />
        <div class="lab-act">
          <button type="submit" class="act" disabled={busy !== null}>
            {busy?.what === 'submit' ? `Sending … ${busy.sent} of ${draft.copies}` : 'Submit'}
          </button>
          <button type="button" disabled={busy !== null} onClick={() => void act('check')}>
            {busy?.what === 'check' ? 'Checking …' : 'Check without running'}
          </button>
        </div>
      </form>
      {answer ? <LabAnswer model={model} answer={answer} /> : null}
      <CommandLine
        line={commandOf(draft, {
          server: location.origin,
          moduleFile: form.moduleFile?.name ?? '',
          inputFile: form.inputFile?.name ?? '',
        })}
        does="does the same, in the folder of Berth, with --data DIR of this server or --key FILE"
      />
    </Panel>
  );
}

async function filesOf({
  draft,
  moduleFile,
  inputFile,
}: LabState): Promise<Pick<Parcel, 'module' | 'input'>> {
  const bytesOf = async (file: File | null) => (file ? new Uint8Array(await file.arrayBuffer()) : null);
  // Without a file the module is empty, and the server says what is wrong with that.
  const module = draft.guest === '' ? ((await bytesOf(moduleFile)) ?? new Uint8Array()) : null;
  return { module, input: await bytesOf(inputFile) };
}
