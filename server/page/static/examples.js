// What the playground starts with, one click away.

const fence = "```";

export const EXAMPLES = [
  {
    name: "equal roots",
    kind: "math",
    completion: "<think>Rationalise the denominator.</think>\nThe area is $\\boxed{\\frac{3\\sqrt{2}}{2}}$.",
    gold: "\\frac{3}{\\sqrt{2}}",
  },
  {
    name: "wrong interval",
    kind: "math",
    completion: "<think>x is at least 1 and below 2.</think>\nSo $x \\in \\boxed{[1,2)}$.",
    gold: "[1,2]",
  },
  {
    name: "no answer",
    kind: "math",
    completion: "<think>Let me try again with another substitution, because the first one",
    gold: "42",
  },
  {
    name: "one test fails",
    kind: "code",
    completion: `<think>Add them up.</think>\n${fence}python\nn = int(input())\nvalues = list(map(int, input().split()))\nprint(max(values) if n < 4 else sum(values))\n${fence}`,
    language: "python",
    format: "stdio",
    cases: [["3\n1 2 3\n", "3\n"], ["4\n4 4 4 4\n", "4\n"], ["1\n-7\n", "-7\n"]],
  },
  {
    name: "calls",
    kind: "code",
    completion: `${fence}python\nclass Solution:\n    def twoSum(self, nums, target):\n        seen = {}\n        for i, x in enumerate(nums):\n            if target - x in seen:\n                return [seen[target - x], i]\n            seen[x] = i\n${fence}`,
    language: "python",
    format: "call",
    function: "twoSum",
    cases: [["[[2, 7, 11, 15], 9]", "[0, 1]"], ["[[3, 3], 6]", "[0, 1]"]],
  },
  {
    name: "time limit",
    kind: "code",
    completion: `${fence}python\nn = int(input())\nwhile n != 1:\n    n = n // 2 if n % 2 == 0 else 3 * n - 1\nprint(n)\n${fence}`,
    language: "python",
    format: "stdio",
    cases: [["8\n", "1\n"], ["7\n", "1\n"]],
    cpuSeconds: 1,
  },
  {
    name: "does not compile",
    kind: "code",
    completion: `${fence}cpp\n#include <iostream>\nint main() {\n    int a, b;\n    std::cin >> a >> b\n    std::cout << a + b << "\\n";\n}\n${fence}`,
    language: "cpp",
    format: "stdio",
    cases: [["1 2\n", "3\n"]],
  },
];
