// One measurement in a process of its own: the specification comes as an argument, the result goes to standard output.
const spec = JSON.parse(process.argv[2])

try {
  const { default: measure } = await import(`./measures/${spec.measure}.js`)
  const result = await measure(spec)
  process.stdout.write(`\n@@${JSON.stringify(result)}\n`, () => process.exit(0))
} catch (error) {
  process.stdout.write(`\n@@${JSON.stringify({ failed: String(error?.message ?? error) })}\n`, () => process.exit(1))
}
