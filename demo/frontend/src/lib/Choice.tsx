import * as Select from "@radix-ui/react-select";

interface Props {
  label: string;
  value: string;
  options: { value: string; label: string }[];
  onChange: (value: string) => void;
}

/** A Radix select with its label. */
export function Choice({ label, value, options, onChange }: Props) {
  return (
    <Select.Root value={value} onValueChange={onChange}>
      <Select.Trigger aria-label={label}>
        <Select.Value placeholder={label} />
      </Select.Trigger>
      <Select.Portal>
        <Select.Content className="options" position="popper">
          <Select.Viewport>
            {options.map((option) => (
              <Select.Item key={option.value} value={option.value}>
                <Select.ItemText>{option.label}</Select.ItemText>
              </Select.Item>
            ))}
          </Select.Viewport>
        </Select.Content>
      </Select.Portal>
    </Select.Root>
  );
}
