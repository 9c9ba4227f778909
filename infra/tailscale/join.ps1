# Join this Windows machine to the shop's tailnet, in an administrator's PowerShell:
#   .\join.ps1 -End intranet -KeyFile C:\Ponte\tailscale.key [-LoginServer https://headscale.example]
#
# KeyFile holds an auth key that carries the tag (tag:intranet or tag:vps); it is never a word of a command, which
# everybody on the machine could read. Without LoginServer it is Tailscale's own.
param(
    [Parameter(Mandatory)][ValidateSet("intranet", "vps")][string]$End,
    [Parameter(Mandatory)][string]$KeyFile,
    [string]$LoginServer = "",
    [int]$ExportPort = 5433,
    [int]$ProxyPort = 8001
)
$ErrorActionPreference = "Stop"

function Stop-With([string]$Fact, [string]$Hint, [int]$Code = 1) {
    [Console]::Error.WriteLine("$Fact`nHINT: $Hint")
    exit $Code
}

$cli = Join-Path $env:ProgramFiles "Tailscale\tailscale.exe"
if (-not (Test-Path $cli)) { Stop-With "Tailscale is not installed" "install it from https://tailscale.com/download/windows" }
if (-not (Test-Path $KeyFile)) { Stop-With "there is no key in '$KeyFile'" "write the auth key in that file" 2 }
icacls $KeyFile /inheritance:r /grant:r "SYSTEM:R" "$($env:USERNAME):R" | Out-Null

Set-Service Tailscale -StartupType Automatic
Start-Service Tailscale
$name = @{ intranet = "intranet-sgp"; vps = "ponte-vps" }[$End]
# Unattended: the tunnel stays when nobody is logged in.
$words = @("up", "--unattended", "--auth-key=file:$((Resolve-Path $KeyFile).Path)", "--hostname=$name", "--timeout=90s")
if ($LoginServer) { $words += "--login-server=$LoginServer" }
& $cli @words
if ($LASTEXITCODE) { Stop-With "this machine did not join" "see 'tailscale status'; an auth key is good once, and ends" }

if ($End -eq "intranet") {
    # The servers listen on all addresses, since the tailnet's may come after them; the firewall lets it in alone.
    foreach ($port in $ExportPort, $ProxyPort) {
        $rule = "Ponte tailnet $port"
        Remove-NetFirewallRule -DisplayName $rule -ErrorAction SilentlyContinue
        New-NetFirewallRule -DisplayName $rule -Direction Inbound -Protocol TCP -LocalPort $port `
            -InterfaceAlias "Tailscale" -Action Allow | Out-Null
    }
}
[Console]::Error.WriteLine("joined as $name, $(& $cli ip -4)")
