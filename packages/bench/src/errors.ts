/** What went wrong alone: the message of a LowlatError ends with its remedy. */
export function withoutRemedy({ message, remedy }: { readonly message: string; readonly remedy: string }): string {
  return message.endsWith(remedy) ? message.slice(0, message.length - remedy.length).trim() : message
}
